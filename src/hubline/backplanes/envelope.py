"""What servers say to each other: channels and payloads of ASP.NET Core's Redis backplane, to the byte (spec §9).

So Python and .NET servers can serve one hub together. Each payload is a MessagePack array; readers ignore items that
they do not know, and refuse an array that is too short.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from msgspec import DecodeError, Struct
from msgspec.msgpack import Decoder, Encoder

from hubline.errors import BackplaneError

ADD, REMOVE = 1, 2
"""Actions of a `GroupCommand`."""

_encode = Encoder().encode


@dataclass(frozen=True, slots=True)
class Channels:
    """The names of one hub's channels. `hub` is its full name: in .NET, that of the class with its namespace."""

    hub: str

    @property
    def all(self) -> str:
        return f"{self.hub}:all"

    @property
    def group_commands(self) -> str:
        return f"{self.hub}:internal:groups"

    def connection(self, connection_id: str) -> str:
        return f"{self.hub}:connection:{connection_id}"

    def group(self, name: str) -> str:
        return f"{self.hub}:group:{name}"

    def user(self, user_id: str) -> str:
        return f"{self.hub}:user:{user_id}"

    def acknowledgements(self, server: str) -> str:
        return f"{self.hub}:internal:ack:{server}"

    def results(self, server: str) -> str:
        return f"{self.hub}:internal:return:{server}"


class InvocationEnvelope(Struct, frozen=True, array_like=True):
    """A call to clients: the whole message in each codec, framed."""

    excluded: tuple[str, ...]
    """Connections that do not get it; said on the channels of all and of groups only."""
    packets: dict[str, bytes]
    invocation_id: str | None = None
    """Of a question: the client's completion goes to `return_channel`."""
    return_channel: str | None = None
    key: str | None = None
    """Of `clients.latest(key)`. Ours: an item that is written only where there is a key. .NET's readers ignore it."""
    origin: str | None = None
    """The server that has given it to its own clients already: it ignores what it hears of itself. Ours, as `key`."""

    def encode(self) -> bytes:
        items: list[Any] = [self.excluded, self.packets, self.invocation_id, self.return_channel, self.key, self.origin]
        while items[-1] is None:
            items.pop()
        return _encode(items)


class GroupCommand(Struct, frozen=True, array_like=True):
    """Asks the server of a connection to put it into a group, or to take it out, and to acknowledge that."""

    number: int
    server: str
    """Who asks: the acknowledgement goes to its channel."""
    action: int
    group: str
    connection_id: str

    def encode(self) -> bytes:
        return _encode(self)


class Acknowledgement(Struct, frozen=True, array_like=True):
    """The `GroupCommand` of this number has been done."""

    number: int

    def encode(self) -> bytes:
        return _encode(self)


class CompletionEnvelope(Struct, frozen=True, array_like=True):
    """A client's answer: a framed completion in the codec that the client speaks."""

    codec: str
    packet: bytes

    def encode(self) -> bytes:
        return _encode(self)


T = TypeVar("T", InvocationEnvelope, GroupCommand, Acknowledgement, CompletionEnvelope)

_KINDS: Mapping[type, tuple[str, Any]] = {
    InvocationEnvelope: ("Invocation", Decoder(InvocationEnvelope).decode),
    GroupCommand: ("GroupCommand", Decoder(GroupCommand).decode),
    Acknowledgement: ("Ack", Decoder(Acknowledgement).decode),
    CompletionEnvelope: ("Completion", Decoder(CompletionEnvelope).decode),
}


def read(kind: type[T], payload: bytes) -> T:
    """What another server has published, as the kind that its channel carries.

    Raises:
        BackplaneError: it is none. The text for what is too short is the original's.
    """
    name, decode = _KINDS[kind]
    try:
        found: T = decode(payload)
    except (DecodeError, UnicodeDecodeError, RecursionError) as error:
        short = "at least length" in str(error)
        text = f"Insufficient items in {name} array." if short else f"not a {name} of another server: {error}"
        raise BackplaneError(text) from error
    return found
