"""WebSockets: the server's own task runs the application, and on plain ASGI reads; one more task writes there.

Incoming frame types and boundaries mean nothing (behaviour §2.2): payloads are one stream of bytes. Outgoing, one
WebSocket message holds one or more whole hub messages.
"""

import logging
from collections.abc import Callable
from contextlib import suppress

from starlette.types import Message, Receive, Send

from hubline._tasks import TaskOwner
from hubline.errors import ConnectionClosed
from hubline.extensions import FrameChannel, answer_close_normally
from hubline.transports.frames import Flusher, FrameInput, FrameWriter
from hubline.transports.inbox import PulledInput
from hubline.transports.interrupt import Interrupt, Interrupted
from hubline.transports.pipe import Pipe, Serve
from hubline.transports.turns import PIECE, turns
from hubline.transports.writer import Writer
from hubline.wire.codec import TransferFormat

logger = logging.getLogger("hubline.transports")

NORMAL_CLOSURE = 1000
INTERNAL_ERROR = 1011

_NOTHING = memoryview(b"")


class WebSocketInput(PulledInput):
    """What the peer sends, straight from the ASGI server: no task, no queue and no copy of ours in between.

    Only a message larger than `PIECE` is cut up, and its pieces wait for their turn.
    """

    __slots__ = ("_error", "_interrupt", "_left", "_receive", "_rest")

    def __init__(self, receive: Receive, left: Callable[[], None]) -> None:
        self._left = left
        self._receive = receive
        self._interrupt = Interrupt()
        self._error: ConnectionClosed | None = None
        self._rest = _NOTHING

    async def get(self) -> bytes:
        while self._error is None:
            if self._rest:
                await turns().wait()
                if self._error is not None:
                    break
                piece, self._rest = self._rest[:PIECE], self._rest[PIECE:]
                return bytes(piece)
            try:
                message = await self._interrupt.guard(self._receive)
            except Interrupted:
                break
            if message["type"] == "websocket.disconnect":
                self._error = ConnectionClosed()
                self._left()
            elif data := message.get("bytes") or (message.get("text") or "").encode():
                if len(data) <= PIECE:
                    return data
                self._rest = memoryview(data)
        assert self._error is not None, "only close() interrupts"
        raise self._error

    def close(self, error: ConnectionClosed) -> None:
        if self._error is None:
            self._error = error
            self._interrupt.fire()


class WebSocketTransport:
    """Carries one connection over one WebSocket."""

    __slots__ = (
        "_peer_is_here",
        "_pipe",
        "_send",
        "_writer",
    )

    def __init__(
        self,
        pipe: Pipe,
        receive: Receive,
        send: Send,
        *,
        tasks: TaskOwner,
        flusher: Flusher,
        channel: FrameChannel | None,
    ) -> None:
        """Through `channel`, where the server offers one."""
        self._pipe = pipe
        self._send = send
        self._peer_is_here = True
        self._writer: Writer | FrameWriter
        if channel is None:
            answer_close_normally(pipe.scope.raw)
            pipe.input = WebSocketInput(receive, self._peer_left)
            self._writer = Writer(pipe.outbox, self._write, tasks=tasks, failed=self._failed)
        else:
            pipe.input = reader = FrameInput(channel, flusher, self._peer_is_gone)
            self._writer = writer = FrameWriter(pipe, channel, flusher)
            channel.take(reader, writer)
        pipe.carrier = self

    @property
    def ready(self) -> bool:
        return self._writer.ready

    def wake(self) -> None:
        self._writer.wake()

    def abandon(self) -> None:
        self._writer.cancel()

    async def run(self, serve: Serve) -> None:
        """Accept, run the application, write what is left, close. Returns when the WebSocket is of no more use."""
        try:
            await self._send({"type": "websocket.accept"})
            well = await self._pipe.serve(serve)
            self._pipe.outbox.finish()
            await self._writer.join()
            if self._peer_is_here:
                await self._close(NORMAL_CLOSURE if well else INTERNAL_ERROR)
        except OSError as error:
            self._failed(error)
        finally:
            self._pipe.abort()

    async def _write(self, payload: bytes) -> None:
        message: Message = {"type": "websocket.send", "bytes": payload}
        if self._pipe.transfer_format is TransferFormat.TEXT:
            with suppress(UnicodeDecodeError):  # a raw application that sends bytes without saying so
                message = {"type": "websocket.send", "text": payload.decode()}
        await self._send(message)

    async def _close(self, code: int) -> None:
        """Send our close and give the server `close_timeout` to bring it through."""
        closing = Interrupt()
        self._pipe.set_deadline(self._pipe.options.close_timeout, closing.fire)
        try:
            await closing.guard(lambda: self._send({"type": "websocket.close", "code": code, "reason": ""}))
        except Interrupted:
            logger.info("connection %s: the peer did not take our close", self._pipe.id)
        except Exception as error:  # it may have left meanwhile, and ASGI servers differ in what they raise then
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        """The server could not send: the peer is gone."""
        level = logging.DEBUG if isinstance(error, OSError) else logging.WARNING
        logger.log(level, "connection %s: the server could not send: %r", self._pipe.id, error)
        self._peer_left()

    def _peer_is_gone(self) -> None:
        """Nothing reaches the peer any more; what it sent is still read."""
        self._peer_is_here = False
        self._pipe.leave()

    def _peer_left(self) -> None:
        self._peer_is_here = False
        self._pipe.abort()
