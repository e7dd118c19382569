"""What a server may offer beside ASGI's `send` and `receive`, and how transports ask for it.

Servers and transports do not import each other: what they agree on stands here, once. A server puts an offer into the
extensions of the scope under its name; `hubline.servers` makes all of them. Where one is missing, ASGI alone is used.
Accepting and closing stay with ASGI always, so middleware, routing and authentication see every connection.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias

FRAMES = "hubline.frames"
"""`{"channel": FrameChannel}`: a WebSocket's frames, ready-made, without `send` and `receive`."""

DISCONNECT = "hubline.disconnect"
"""`{"watch": Watch}`: that the client of a request has gone, by a plain call.

Whoever waits for it in `receive` can only be woken for another reason by an exception that runs through everybody in
between, and a poll ends so a thousand times for each client that leaves.
"""

CLOSE = "hubline.close"
"""`{"answer_normally": f}`: after `f()` the server answers a peer's close with 1000.

Servers echo what the peer said. The original answers 1000 whatever that was, and `@aspnet/signalr` 1.0 takes any other
answer to a `stop()` for an error. The frame channel does it in any case; a WebSocket that is not ours keeps its echo.
"""

DRAIN = "hubline.drain"
"""In the state of the lifespan: a list of `async` functions that the server runs before it closes sockets."""

Watch: TypeAlias = Callable[[Callable[[], None]], bool]
"""Has a function called once, when the client goes before it has its answer; another one takes its place.

False when that cannot be promised now and `receive` has to be asked: a body is still to be read, or it is gone.
"""


class ChannelReader(Protocol):
    """What a channel tells about the peer. Neither waits nor raises."""

    def received(self, payload: bytes) -> None:
        """What of the stream has come, cut anywhere. After `pause_reading()` what was read already may still come."""

    def read_much(self, size: int) -> None:
        """`size` bytes of the socket were read at once, and handed on. May be told when they are many."""

    def left(self) -> None:
        """The last call: there will be no more messages."""


class ChannelWriter(Protocol):
    """What a channel tells about its buffer."""

    write: Callable[[bytes], None]
    """Called for each frame: the channel's `write`, unless the channel puts something here that comes to the same."""

    def pause_writing(self) -> None:
        """More than `limit` bytes are buffered; may be called from within `write()`."""

    def resume_writing(self) -> None:
        """They have left, but for less than half of `limit`."""


class FrameChannel(Protocol):
    """What a server offers beside ASGI's `send` and `receive`, from the acceptance of a WebSocket on."""

    limit: int
    """Bytes that may be buffered before `pause_writing()`."""

    closed_by_peer: bool
    """Whether the peer has said good-bye by a close frame. Known when `left()` is called."""

    def take(self, reader: ChannelReader, writer: ChannelWriter) -> None:
        """Use the channel. Called before `websocket.accept`; messages then no longer come through `receive`."""

    def write(self, frame: bytes) -> None:
        """Write one whole unmasked frame, or of a large one the head, and at once its payload: that is not copied then.

        Never waits, never raises; nowhere when the peer has left.
        """

    def buffered(self) -> int:
        """Bytes that have not reached the kernel."""

    def pause_reading(self) -> None:
        """Have the peer wait. Calling it again does no harm."""

    def resume_reading(self) -> None:
        """Calling it again does no harm."""


def frame_channel(scope: Mapping[str, Any]) -> FrameChannel | None:
    """The channel of a connection, if its server offers one."""
    channel: FrameChannel | None = _offer(scope, FRAMES, "channel")
    return channel


def watch_disconnect(scope: Mapping[str, Any], gone: Callable[[], None]) -> bool:
    """Have `gone` called, if the server offers it. False when `receive` has to be asked instead."""
    watch: Watch | None = _offer(scope, DISCONNECT, "watch")
    return watch is not None and watch(gone)


def answer_close_normally(scope: Mapping[str, Any]) -> None:
    """Have the peer's close answered with 1000, if the server offers it."""
    answer_normally: Callable[[], None] | None = _offer(scope, CLOSE, "answer_normally")
    if answer_normally is not None:
        answer_normally()


def _offer(scope: Mapping[str, Any], name: str, member: str) -> Any:
    offer = (scope.get("extensions") or {}).get(name)
    return offer[member] if offer else None
