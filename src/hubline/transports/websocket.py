"""WebSockets: the server's own task runs the application, and on plain ASGI reads; one more task writes there.

Incoming frame types and boundaries mean nothing (behaviour §2.2): payloads are one stream of bytes. Outgoing, one
WebSocket message holds one or more whole hub messages.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from enum import Enum
from typing import Any

from starlette.types import Message, Receive

from hubline.connection import ConnectionScope, Transport
from hubline.errors import ConnectionClosed
from hubline.extensions import answer_close_normally, frame_channel
from hubline.transports.asgi_writer import AsgiWriter
from hubline.transports.base import Request, Resources, TransportType
from hubline.transports.cancel_scope import CancelScope, ScopeCancelled
from hubline.transports.carrier import NOBODY, Input, Serve
from hubline.transports.frame_transport import FrameInput, FrameWriter
from hubline.transports.inbox import PulledInput
from hubline.transports.reconnect import ReconnectInput
from hubline.transports.session import Session
from hubline.transports.turns import PIECE, turns
from hubline.wire.codec import TransferFormat

logger = logging.getLogger("hubline.transports")

NORMAL_CLOSURE = 1000
INTERNAL_ERROR = 1011
NO_STATUS = 1005
"""The code that ASGI servers report for a close frame without a code (RFC 6455 §7.1.5)."""
ABNORMAL_CLOSURE = 1006
"""The code that they report if the connection was lost without a close frame."""

_NOTHING = memoryview(b"")


class WebSocketInput(PulledInput):
    """Reads directly from the ASGI server, without a task, a queue or a copy of its own.

    Only a message larger than `PIECE` is divided, and its pieces wait for their turn.
    """

    __slots__ = ("_error", "_left", "_reading", "_receive", "_rest")

    def __init__(self, receive: Receive, left: Callable[[bool], None]) -> None:
        """`left` is called once, when the peer is gone, with whether it sent a close frame."""
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
                self._left(_said_goodbye(message))
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


class SocketOutcome(Enum):
    """Why a socket ends whose session may continue."""

    FINISHED = "the application has ended"
    FAILED = "the application has ended with an error"
    REPLACED = "another socket has taken its place, or may do so"


class WebSocketCarrier:
    """Carries a session over one WebSocket, through a frame channel if the server offers one."""

    __slots__ = ("_input", "_outbox", "_outcome", "_peer_is_here", "_send", "_session", "_tasks", "_writer")

    def __init__(self, session: Session, request: Request, resources: Resources) -> None:
        """For a session without a carrier, or for one whose last socket it replaces when it is accepted."""
        self._session, self._send, self._tasks = session, request.send, resources.tasks
        self._peer_is_here = True
        self._outcome: asyncio.Future[SocketOutcome] | None = None
        """Why it ends, if the application does not run in the task of the request."""
        self._outbox = session.new_outbox() if session.started else session.outbox
        self._input: Input | None = None
        """The arguments for `reattach`. Not kept afterwards, because they refer to this object."""
        source: Input
        self._writer: AsgiWriter | FrameWriter
        channel = frame_channel(request.asgi)
        if channel is None:
            answer_close_normally(request.asgi)
            source = WebSocketInput(request.receive, self._peer_left)
            self._writer = AsgiWriter(self._outbox, self._write, tasks=resources.tasks, failed=self._failed)
        else:
            flusher = resources.flusher()
            source = reader = FrameInput(channel, flusher, self._peer_is_gone)
            self._writer = writer = FrameWriter(session, self._outbox, channel, flusher)
            channel.take(reader, writer)
        if session.stateful_reconnect:
            self._outcome = asyncio.get_running_loop().create_future()
        if session.started:
            self._input = source
        else:
            session.input = source if self._outcome is None else ReconnectInput(source)
            session.attach(self)

    @property
    def ready(self) -> bool:
        return self._writer.ready

    def wake(self) -> None:
        self._writer.wake()

    def finish(self, well: bool) -> None:
        if self._outcome is not None:
            self._conclude(SocketOutcome.FINISHED if well else SocketOutcome.FAILED)

    def abandon(self) -> None:
        self._writer.cancel()

    async def make_way(self) -> None:
        """The peer has opened a newer socket, because it lost this one. This one may still look alive."""
        self._session.detach(self)
        self._writer.cancel()
        self._conclude(SocketOutcome.REPLACED)

    async def run(self, serve: Serve) -> None:
        """Accept, run the application, write the rest, close. Returns when the WebSocket is finished."""
        try:
            await self._send({"type": "websocket.accept"})
            if self._outcome is None:
                outcome = SocketOutcome.FINISHED if await self._session.run(serve) else SocketOutcome.FAILED
            else:
                await self._take_over(serve)
                outcome = await self._outcome
            await self._writer.join()
            if self._peer_is_here:
                await self._close(INTERNAL_ERROR if outcome is SocketOutcome.FAILED else NORMAL_CLOSURE)
        except OSError as error:
            self._failed(error)
        finally:
            self._session.detach(self)

    async def _take_over(self, serve: Serve) -> None:
        """The application runs in a task of its own, because it outlives this socket."""
        session = self._session
        if session.carrier is self:
            session.start(serve, self._tasks)
            return
        while session.carrier is not NOBODY:
            await session.carrier.make_way()
        source, self._input = self._input, None
        if session.reconnects and source is not None:
            session.reattach(self, self._outbox, source)
        else:
            self._conclude(SocketOutcome.REPLACED)  # the session has ended meanwhile

    def _conclude(self, outcome: SocketOutcome) -> None:
        if self._outcome is not None and not self._outcome.done():
            self._outcome.set_result(outcome)

    async def _write(self, payload: bytes) -> None:
        message: Message = {"type": "websocket.send", "bytes": payload}
        if self._session.transfer_format is TransferFormat.TEXT:
            with suppress(UnicodeDecodeError):  # a raw application that sends bytes without calling `use`
                message = {"type": "websocket.send", "text": payload.decode()}
        await self._send(message)

    async def _close(self, code: int) -> None:
        """Send our close frame, and give the peer `close_timeout` to answer."""
        closing = CancelScope()
        if self._session.carrier is self:
            self._session.set_deadline(self._session.options.close_timeout, closing.cancel)
        else:  # the deadline belongs to the socket that has replaced this one
            self._tasks.start(self._give_up(closing))
        try:
            await closing.guard(lambda: self._send({"type": "websocket.close", "code": code, "reason": ""}))
        except ScopeCancelled:
            logger.info("connection %s: the peer did not answer our close frame", self._session.id)
        except Exception as error:  # the peer may have left meanwhile; ASGI servers raise different errors then
            self._failed(error)

    async def _give_up(self, closing: CancelScope) -> None:
        await self._session.clock.sleep(self._session.options.close_timeout)
        closing.cancel()

    def _failed(self, error: Exception) -> None:
        """The server cannot send: the peer is gone."""
        level = logging.DEBUG if isinstance(error, OSError) else logging.WARNING
        logger.log(level, "connection %s: the server could not send: %r", self._session.id, error)
        self._peer_left(said_goodbye=False)

    def _peer_is_gone(self, said_goodbye: bool) -> None:
        """Nothing can be sent to the peer; what it sent is still read."""
        self._lose(said_goodbye, unread=True)

    def _peer_left(self, said_goodbye: bool) -> None:
        self._lose(said_goodbye, unread=False)

    def _lose(self, said_goodbye: bool, *, unread: bool) -> None:
        """The socket is gone. The session ends too, unless the peer may reconnect with another socket."""
        self._peer_is_here = False
        session = self._session
        if session.carrier is not self:
            self._conclude(SocketOutcome.REPLACED)
        elif session.reconnects and not said_goodbye:
            session.detach(self)
            self._writer.cancel()
            self._conclude(SocketOutcome.REPLACED)
        else:
            session.end(unread=unread)


def _said_goodbye(message: Message) -> bool:
    """Whether the peer sent a close frame. If not, uvicorn's "sansio" reports 1005 too, but without a reason."""
    code = message.get("code", NO_STATUS)
    return bool(code != ABNORMAL_CLOSURE and (code != NO_STATUS or "reason" in message))


def _matches(scope: ConnectionScope) -> bool:
    return bool(scope.raw["type"] == "websocket")


def _carry(session: Session, request: Request, serve: Serve, resources: Resources) -> Coroutine[Any, Any, None]:
    return WebSocketCarrier(session, request, resources).run(serve)


TYPE = TransportType(Transport.WEB_SOCKETS, _matches, _carry, input_by_post=False, needs_negotiation=False)
