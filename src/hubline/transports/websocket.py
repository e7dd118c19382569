"""WebSockets: the server's own task runs the application, and on plain ASGI reads; one more task writes there.

Incoming frame types and boundaries mean nothing (behaviour §2.2): payloads are one stream of bytes. Outgoing, one
WebSocket message holds one or more whole hub messages.
"""

import logging
from collections.abc import Callable
from contextlib import suppress

from starlette.types import Message, Receive

from hubline.connection import ConnectionScope, Transport
from hubline.errors import ConnectionClosed
from hubline.transports.cancel_scope import CancelScope, ScopeCancelled
from hubline.transports.carrier import Serve
from hubline.transports.channel import offered
from hubline.transports.frames import FrameInput, FrameWriter
from hubline.transports.inbox import PulledInput
from hubline.transports.kind import Kind, Request, Resources
from hubline.transports.session import Session
from hubline.transports.turns import PIECE, turns
from hubline.transports.writer import Writer
from hubline.wire.codec import TransferFormat

logger = logging.getLogger("hubline.transports")

NORMAL_CLOSURE = 1000
INTERNAL_ERROR = 1011

CLOSE_EXTENSION = "hubline.close"
"""In the extensions of a scope: `{"answer_normally": f}`. After `f()` the server answers a peer's close with 1000.

Servers echo what the peer said. The original answers 1000 whatever that was, and `@aspnet/signalr` 1.0 takes any other
answer to a `stop()` for an error. The frame channel does it in any case; a WebSocket that is not ours keeps its echo.
"""

_NOTHING = memoryview(b"")


class WebSocketInput(PulledInput):
    """What the peer sends, straight from the ASGI server: no task, no queue and no copy of ours in between.

    Only a message larger than `PIECE` is cut up, and its pieces wait for their turn.
    """

    __slots__ = ("_error", "_left", "_reading", "_receive", "_rest")

    def __init__(self, receive: Receive, left: Callable[[], None]) -> None:
        self._left = left
        self._receive = receive
        self._reading = CancelScope()
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
                message = await self._reading.guard(self._receive)
            except ScopeCancelled:
                break
            if message["type"] == "websocket.disconnect":
                self._error = ConnectionClosed()
                self._left()
            elif data := message.get("bytes") or (message.get("text") or "").encode():
                if len(data) <= PIECE:
                    return data
                self._rest = memoryview(data)
        assert self._error is not None, "only close() cancels it"
        raise self._error

    def close(self, error: ConnectionClosed) -> None:
        if self._error is None:
            self._error = error
            self._reading.cancel()


class WebSocketCarrier:
    """Carries a session over one WebSocket: through a frame channel, where the server offers one."""

    __slots__ = ("_peer_is_here", "_send", "_session", "_writer")

    def __init__(self, session: Session, request: Request, resources: Resources) -> None:
        self._session = session
        self._send = request.send
        self._peer_is_here = True
        self._writer: Writer | FrameWriter
        channel = offered(request.asgi)
        if channel is None:
            offer = (request.asgi.get("extensions") or {}).get(CLOSE_EXTENSION)
            if offer:
                offer["answer_normally"]()
            session.input = WebSocketInput(request.receive, self._peer_left)
            self._writer = Writer(session.outbox, self._write, tasks=resources.tasks, failed=self._failed)
        else:
            flusher = resources.flusher()
            session.input = reader = FrameInput(channel, flusher, self._peer_is_gone)
            self._writer = writer = FrameWriter(session, channel, flusher)
            channel.take(reader, writer)
        session.attach(self)

    @property
    def ready(self) -> bool:
        return self._writer.ready

    def wake(self) -> None:
        self._writer.wake()

    def finish(self, well: bool) -> None:
        """Nothing to do: `run` has waited for it."""

    def abandon(self) -> None:
        self._writer.cancel()

    async def make_way(self) -> None:
        """Nothing to do: the endpoint refuses a second WebSocket."""

    async def run(self, serve: Serve) -> None:
        """Accept, run the application, write what is left, close. Returns when the WebSocket is of no more use."""
        try:
            await self._send({"type": "websocket.accept"})
            well = await self._session.run(serve)
            await self._writer.join()
            if self._peer_is_here:
                await self._close(NORMAL_CLOSURE if well else INTERNAL_ERROR)
        except OSError as error:
            self._failed(error)
        finally:
            self._session.detach(self)

    async def _write(self, payload: bytes) -> None:
        message: Message = {"type": "websocket.send", "bytes": payload}
        if self._session.transfer_format is TransferFormat.TEXT:
            with suppress(UnicodeDecodeError):  # a raw application that sends bytes without saying so
                message = {"type": "websocket.send", "text": payload.decode()}
        await self._send(message)

    async def _close(self, code: int) -> None:
        """Send our close and give the server `close_timeout` to bring it through."""
        closing = CancelScope()
        self._session.set_deadline(self._session.options.close_timeout, closing.cancel)
        try:
            await closing.guard(lambda: self._send({"type": "websocket.close", "code": code, "reason": ""}))
        except ScopeCancelled:
            logger.info("connection %s: the peer did not take our close", self._session.id)
        except Exception as error:  # it may have left meanwhile, and ASGI servers differ in what they raise then
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        """The server could not send: the peer is gone."""
        level = logging.DEBUG if isinstance(error, OSError) else logging.WARNING
        logger.log(level, "connection %s: the server could not send: %r", self._session.id, error)
        self._peer_left()

    def _peer_is_gone(self) -> None:
        """Nothing reaches the peer any more; what it sent is still read."""
        self._peer_is_here = False
        self._session.peer_left()

    def _peer_left(self) -> None:
        self._peer_is_here = False
        self._session.end()


def _matches(scope: ConnectionScope) -> bool:
    return bool(scope.raw["type"] == "websocket")


async def _carry(session: Session, request: Request, serve: Serve, resources: Resources) -> None:
    await WebSocketCarrier(session, request, resources).run(serve)


KIND = Kind(Transport.WEB_SOCKETS, _matches, _carry, input_by_post=False, needs_negotiation=False)
