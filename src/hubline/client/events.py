"""The arguments and results of a client's session: calls, uploads, handlers, and events."""

from collections.abc import AsyncIterable, Callable, Sequence
from typing import Any, TypeAlias

from msgspec import Raw, Struct, ValidationError

from hubline.errors import ConnectionClosed, KeepAliveTimeout, MessageTooLarge
from hubline.wire.codec import Codec
from hubline.wire.connection import Failed
from hubline.wire.items import ReadItems
from hubline.wire.messages import Ack, Close, Completion, StreamItem


class Call:
    """A call that waits for its answer. The session does not use `sink`: the caller stores there where results go."""

    __slots__ = ("id", "read", "read_items", "sink", "streaming", "target")

    def __init__(
        self, id: str, target: str, streaming: bool, read: Callable[[Any], Any], read_items: ReadItems | None
    ) -> None:
        self.id, self.target, self.streaming, self.read = id, target, streaming, read
        self.read_items = read_items if streaming else None
        self.sink: Any = None


class Upload:
    """A stream to the server, among the arguments of a call. The session does not use `source`."""

    __slots__ = ("id", "source")

    def __init__(self, source: Any = None) -> None:
        self.source = source
        self.id = ""
        """Set by the call."""


def with_uploads(arguments: Sequence[Any]) -> list[Any]:
    """The arguments, with async iterables replaced by uploads."""
    return [Upload(value) if isinstance(value, AsyncIterable) else value for value in arguments]


class Handler(Struct, frozen=True):
    """A function that the server can call. The session does not call `function`: the user of the session does."""

    function: Callable[..., Any]
    arguments: Any = list[Any]
    """The type of all arguments together, such as `tuple[int, str]`. A list takes any number of them."""
    bind: Callable[[Codec, Raw], Sequence[Any]] | None = None
    """Reads the arguments instead, with a BindingError for those that do not fit."""


class Opened(Struct, frozen=True):
    """The server has accepted the handshake. Calls are possible from now on."""


class Refused(Struct, frozen=True):
    """The server has refused the handshake, or did not answer in time. No event follows."""

    error: str


class Item(Struct, frozen=True):
    """One item of a stream."""

    call: Call
    value: Any


class Result(Struct, frozen=True):
    """The end of a call. `value` is `None` at the end of a stream, and if the method has no result."""

    call: Call
    value: Any


class CallFailed(Struct, frozen=True):
    """A call has failed: by an error of the server, a result of the wrong type, or the end of the connection."""

    call: Call
    error: Exception


class Called(Struct, frozen=True):
    """A call by the server. If it has an `id`, the server waits for the result: call `answer` or `fail`.

    If there is no handler and the server waits, the session has already answered with an error.
    """

    target: str
    arguments: list[Any]
    handler: Handler | None
    id: str


class Unfit(Struct, frozen=True):
    """The arguments of a call by the server do not fit the handler. If the server waits, the session has answered."""

    target: str
    error: Exception


class Unasked(Struct, frozen=True):
    """An answer to a call that no longer waits: it was cancelled, or already answered. Official clients ignore it."""

    message: StreamItem | Completion


class Write(Struct, frozen=True):
    """Bytes to write now: an answer by the session itself, or else not `counted`: a ping or an acknowledgement."""

    data: bytes
    counted: bool = True


Event: TypeAlias = (
    Opened | Refused | Item | Result | CallFailed | Called | Unfit | Unasked | Write | Ack | Close | Failed
)
"""After `Close` (the server ends the connection) and `Failed` (the server broke the protocol or was silent for too
long), no answer follows. Close the transport then, and call `end()`."""


def named(error: Exception, call: Call) -> Exception:
    """The error of a result or an item that does not fit, with the method that it comes from."""
    if type(error) is not ValidationError:
        return error
    found = ValidationError(f"{call.target}: {error}")
    found.__cause__ = error
    return found


def told(error: ConnectionClosed) -> ConnectionClosed:
    """Why the connection failed. Some texts of the original are for servers."""
    if isinstance(error, KeepAliveTimeout):
        text = f"the server sent nothing for {error.timeout:g} s"
    elif isinstance(error, MessageTooLarge):
        text = f"the server sent a message of more than {error.limit} bytes, the maximum_message_size of this client"
    else:
        return error
    found = ConnectionClosed(text, allow_reconnect=True)
    found.__cause__ = error
    return found
