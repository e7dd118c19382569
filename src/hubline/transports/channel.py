"""What a server may offer beside ASGI's `send` and `receive`: a channel for ready-made WebSocket frames.

Such a server puts a `FrameChannel` into the extensions of the scope (architecture §6). Accepting and closing stay with
ASGI, so middleware, routing and authentication see the connection as always.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

EXTENSION = "hubline.frames"


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


def offered(scope: Mapping[str, Any]) -> FrameChannel | None:
    """The channel of a connection, if its server offers one."""
    extension = (scope.get("extensions") or {}).get(EXTENSION)
    channel: FrameChannel | None = extension["channel"] if extension else None
    return channel
