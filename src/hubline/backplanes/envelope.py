"""The channels and payloads between servers: those of ASP.NET Core's Redis backplane, to the byte (spec §9).

So Python and .NET servers can serve one hub together. Each payload is a MessagePack array. Readers ignore additional
items and refuse an array that is too short.
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
    """The names of one hub's channels. `hub` is its full name: in .NET, the class with its namespace."""

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
    """Connections that do not get it. Only used on the channels of all connections and of groups."""
    packets: dict[str, bytes]
    invocation_id: str | None = None
    """For a call that waits for an answer: the client's completion is published on `return_channel`."""
    return_channel: str | None = None
    key: str | None = None
    """For `clients.latest(key)`. Ours: this item is only written if there is a key. .NET servers ignore it."""
    origin: str | None = None
    """The server that has sent it to its own clients already: it ignores its own copy. Ours, like `key`."""

    def encode(self) -> bytes:
        items: list[Any] = [self.excluded, self.packets, self.invocation_id, self.return_channel, self.key, self.origin]
        while items[-1] is None:
            items.pop()
        return _encode(items)


class GroupCommand(Struct, frozen=True, array_like=True):
    """Asks the server of a connection to add it to a group or to remove it, and to acknowledge that."""

    number: int
    server: str
    """The server that asks; the acknowledgement is published on its channel."""
    action: int
    group: str
    connection_id: str

    def encode(self) -> bytes:
        return _encode(self)


class Acknowledgement(Struct, frozen=True, array_like=True):
    """The `GroupCommand` with this number has been executed."""

    number: int

    def encode(self) -> bytes:
        return _encode(self)


class CompletionEnvelope(Struct, frozen=True, array_like=True):
    """A client's answer: a framed completion in the client's codec."""

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
    """Decode what another server has published, as the type that its channel carries.

    Raises:
        BackplaneError: it is not of that type. The text for an array that is too short is the original's.
    """
    name, decode = _KINDS[kind]
    try:
        found: T = decode(payload)
    except (DecodeError, UnicodeDecodeError, RecursionError) as error:
        short = "at least length" in str(error)
        text = f"Insufficient items in {name} array." if short else f"not a {name} of another server: {error}"
        raise BackplaneError(text) from error
    return found
