"""The channels and payloads between servers. They have the same bytes as ASP.NET Core's Redis backplane (spec §9).

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

    @property
    def connection_commands(self) -> str:
        """Ours, like the next one: .NET servers do not subscribe to it."""
        return f"{self.hub}:internal:connections"

    def connection_reports(self, server: str) -> str:
        return f"{self.hub}:internal:reports:{server}"


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
    """The server that has already sent it to its own clients, and ignores its own copy. Ours, like `key`."""

    def encode(self) -> bytes:
        items: list[Any] = [self.excluded, self.packets, self.invocation_id, self.return_channel, self.key, self.origin]
        while items[-1] is None:
            items.pop()
        return _encode(items)


class GroupCommand(Struct, frozen=True, array_like=True):
    """Asks the server of a connection to add it to a group or to remove it, and to acknowledge that."""

    number: int
    server: str
    """The server that sends the command; the acknowledgement is published on its channel."""
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


class Selection(Struct, frozen=True, array_like=True):
    """Connections of a hub: those that fit everything which is set."""

    connection_id: str | None = None
    user_id: str | None = None
    group: str | None = None
    excluded: tuple[str, ...] = ()
    """Ids of connections that do not belong to it."""


class ConnectionCommand(Struct, frozen=True, array_like=True):
    """Asks every server which of its connections are selected, and what to do with them. Ours, as is the report."""

    number: int
    server: str
    """The server that asks; the reports are published on its channel."""
    which: Selection
    action: int
    text: str = ""
    """The group to join or to leave, or the reason for closing."""
    after: str = ""
    """Only connections with ids behind this one are listed."""
    limit: int = 0
    """How many connections are listed, the first ones by their ids."""

    def encode(self) -> bytes:
        return _encode(self)


class ConnectionReport(Struct, frozen=True, array_like=True):
    """What a server has done for the `ConnectionCommand` with this number."""

    number: int
    count: int
    """How many of its connections were selected."""
    listed: tuple[tuple[str, str | None], ...] = ()
    """Ids of connections, each with the user's."""
    failure: str = ""
    """Why it has not done it for all of them."""

    def encode(self) -> bytes:
        return _encode(self)


T = TypeVar(
    "T",
    InvocationEnvelope,
    GroupCommand,
    Acknowledgement,
    CompletionEnvelope,
    ConnectionCommand,
    ConnectionReport,
)

_KINDS: Mapping[type, tuple[str, Any]] = {
    InvocationEnvelope: ("Invocation", Decoder(InvocationEnvelope).decode),
    GroupCommand: ("GroupCommand", Decoder(GroupCommand).decode),
    Acknowledgement: ("Ack", Decoder(Acknowledgement).decode),
    CompletionEnvelope: ("Completion", Decoder(CompletionEnvelope).decode),
    ConnectionCommand: ("ConnectionCommand", Decoder(ConnectionCommand).decode),
    ConnectionReport: ("ConnectionReport", Decoder(ConnectionReport).decode),
}


def read(kind: type[T], payload: bytes) -> T:
    """Decode a payload of another server, as the type that its channel carries.

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
