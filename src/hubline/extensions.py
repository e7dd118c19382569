"""What a server may offer in addition to ASGI's `send` and `receive`, and how transports use it.

Servers and transports do not import each other; both import this module. A server puts an offer into the extensions of
the scope under its name, and `hubline.servers` makes all of them. If one is missing, only ASGI is used. Accepting and
closing always use ASGI, so middleware, routing and authentication see every connection.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias

FRAMES = "hubline.frames"
"""`{"channel": FrameChannel}`: ready-made frames of a WebSocket, without `send` and `receive`."""

DISCONNECT = "hubline.disconnect"
"""`{"watch": Watch, "abort": f}`: a plain call when the client of a request has gone; `f()` ends its connection without
sending what waits, for clients that do not read. Then the client has gone.

A task that waits for that in `receive` can only be woken for another reason by a cancellation, which is an exception
in every function in between. Nearly every poll ends for another reason.
"""

CLOSE = "hubline.close"
"""`{"answer_normally": f}`: after `f()` the server answers a peer's close with 1000.

Servers echo the peer's code. The original always answers 1000, and for `@aspnet/signalr` 1.0 any other answer to a
`stop()` is an error. The frame channel always answers 1000. A WebSocket that is not a hub's gets the echo.
"""

DRAIN = "hubline.drain"
"""In the state of the lifespan: a list of `async` functions that the server runs before it closes sockets."""

Watch: TypeAlias = Callable[[Callable[[], None]], bool]
"""Registers a function that is called once, if the client leaves before it has its response. The last one counts.

False if that is not possible at the moment and `receive` must be used: a body must still be read, or the client has
gone.
"""


class ChannelReader(Protocol):
    """Is told what the peer does. The methods neither wait nor raise."""

    def received(self, payload: bytes) -> None:
        """Bytes of the stream, cut anywhere. After `pause_reading()`, bytes that were already read may still arrive."""

    def read_much(self, size: int) -> None:
        """`size` bytes of the socket were read at once and passed on. May be called if they are many."""

    def left(self) -> None:
        """The last call: no more messages follow."""


class ChannelWriter(Protocol):
    """Is told of the channel's buffer."""

    write: Callable[[bytes], None]
    """Called for each frame: the channel's `write`, unless the channel sets an equivalent function."""

    def pause_writing(self) -> None:
        """More than `limit` bytes are buffered; may be called from within `write()`."""

    def resume_writing(self) -> None:
        """Less than half of `limit` is still buffered."""


class FrameChannel(Protocol):
    """A way to read and write frames without ASGI's `send` and `receive`, after a WebSocket was accepted."""

    limit: int
    """Bytes that may be buffered before `pause_writing()`."""

    closed_by_peer: bool
    """Whether the peer has sent a close frame. Known when `left()` is called."""

    def take(self, reader: ChannelReader, writer: ChannelWriter) -> None:
        """Use the channel. Called before `websocket.accept`; messages then no longer come through `receive`."""

    def write(self, frame: bytes) -> None:
        """Write one whole unmasked frame. A large frame is written as its head and then its payload, without a copy.

        Never waits and never raises. If the peer has left, the frame is dropped.
        """

    def buffered(self) -> int:
        """Bytes that have not reached the kernel."""

    def pause_reading(self) -> None:
        """Stop reading from the peer. It may be called again."""

    def resume_reading(self) -> None:
        """Read from the peer again. It may be called again."""


def frame_channel(scope: Mapping[str, Any]) -> FrameChannel | None:
    """The frame channel of a connection, if its server offers one."""
    channel: FrameChannel | None = _offer(scope, FRAMES, "channel")
    return channel


def watch_disconnect(scope: Mapping[str, Any], gone: Callable[[], None]) -> bool:
    """Call `gone` when the client leaves, if the server offers it. False if `receive` must be used instead."""
    watch: Watch | None = _offer(scope, DISCONNECT, "watch")
    return watch is not None and watch(gone)


def aborter(scope: Mapping[str, Any]) -> Callable[[], None] | None:
    """What ends the connection of a request without sending what waits, if the server offers it."""
    abort: Callable[[], None] | None = _offer(scope, DISCONNECT, "abort")
    return abort


def answer_close_normally(scope: Mapping[str, Any]) -> None:
    """Ask the server to answer the peer's close with 1000, if it offers that."""
    answer_normally: Callable[[], None] | None = _offer(scope, CLOSE, "answer_normally")
    if answer_normally is not None:
        answer_normally()


def _offer(scope: Mapping[str, Any], name: str, member: str) -> Any:
    offer = (scope.get("extensions") or {}).get(name)
    return offer.get(member) if offer else None
