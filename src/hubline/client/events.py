"""What a client's session gives and takes: calls, uploads, handlers, and the events that follow."""

from collections.abc import Callable
from typing import Any, TypeAlias

from msgspec import Struct

from hubline.wire.connection import Failed
from hubline.wire.messages import Close, Completion, StreamItem


class Call:
    """A call that waits for its answer. `sink` is for whoever made the call: where the answer is to go."""

    __slots__ = ("id", "read", "sink", "streaming", "target")

    def __init__(self, id: str, target: str, streaming: bool, read: Callable[[Any], Any]) -> None:
        self.id, self.target, self.streaming, self.read = id, target, streaming, read
        self.sink: Any = None


class Upload:
    """A stream to the server, given among the arguments of a call. `source` is for whoever sends the items."""

    __slots__ = ("id", "source")

    def __init__(self, source: Any = None) -> None:
        self.source = source
        self.id = ""
        """Given by the call."""


class Handler(Struct, frozen=True):
    """What the server can call. The session never calls `function`: it is for whoever handles the events."""

    function: Callable[..., Any]
    arguments: Any = list[Any]
    """The type of all arguments together, such as `tuple[int, str]`. A list takes any number of them."""


class Opened(Struct, frozen=True):
    """The server has accepted the handshake; from here on there can be calls."""


class Refused(Struct, frozen=True):
    """The server has refused the handshake, or it did not answer in time. Nothing follows."""

    error: str


class Item(Struct, frozen=True):
    """One item of a stream."""

    call: Call
    value: Any


class Result(Struct, frozen=True):
    """A call's end. `value` is `None` at the end of a stream and where the method has no result."""

    call: Call
    value: Any


class CallFailed(Struct, frozen=True):
    """A call's other end: the server's error, an answer that does not have the type, or the end of the connection."""

    call: Call
    error: Exception


class Called(Struct, frozen=True):
    """The server calls. With an `id` it waits for the result: give it to `answer` or `fail`.

    Without a handler the session has answered already, where an answer was wanted.
    """

    target: str
    arguments: list[Any]
    handler: Handler | None
    id: str


class Unfit(Struct, frozen=True):
    """The server called a handler with arguments that do not fit. The session has told it, where it waits for that."""

    target: str
    error: Exception


class Unasked(Struct, frozen=True):
    """An answer to no call that waits: it was cancelled, or answered already. Official clients ignore it."""

    message: StreamItem | Completion


class Write(Struct, frozen=True):
    """Write this now: a ping, or an answer that the session gives by itself."""

    data: bytes


Event: TypeAlias = Opened | Refused | Item | Result | CallFailed | Called | Unfit | Unasked | Write | Close | Failed
"""`Close` is the server's good-bye, `Failed` a server that broke the protocol or fell silent: no answer follows either.
End the transport then, and call `end()`."""
