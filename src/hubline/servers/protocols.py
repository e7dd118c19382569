"""uvicorn's HTTP and WebSocket protocols with additional limits.

They differ from uvicorn's only for hostile or broken peers, which cannot make the server hold large data, and cannot
hold a socket with an incomplete request.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import uvicorn
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.frames import Close, Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from hubline.extensions import CLOSE, DISCONNECT

HEAD_SIZE = 65_536
"""Bytes of a request's head; also the most that may pass between two pieces of a body. uvicorn's own limit with h11."""

HEADERS = 100
"""Source: `KestrelServerLimits.MaxRequestHeaderCount`."""

PIPELINED = 16
"""Requests that wait behind one that is being answered. Ours: no client that we know of pipelines."""

READ_SIZE = 16_384
"""Bytes read from a WebSocket at a time. Ours: 256 KiB, asyncio's measure, hold 37,000 messages of one byte, and these
take 9 MB while the application is busy."""

_BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class Disconnect:
    """Watches the client of the present request of a connection, and calls a function when it has gone.

    The offer `DISCONNECT` (`hubline/extensions.py`).
    """

    __slots__ = ("_cycle", "_flow", "_gone")

    def __init__(self, flow: FlowControl) -> None:
        self._flow = flow
        self._cycle: RequestResponseCycle | None = None
        self._gone: Callable[[], None] | None = None

    def watch(self, gone: Callable[[], None]) -> bool:
        cycle = self._cycle
        if cycle is None or cycle.more_body or cycle.body or cycle.waiting_for_100_continue:
            return False
        self._flow.resume_reading()  # as `receive` does: with reading paused, the end of the client would not be seen
        self._gone = gone
        return True

    def abort(self) -> None:
        if self._cycle is not None:
            self._cycle.transport.abort()

    def begin(self, cycle: RequestResponseCycle) -> None:
        """This request is the one that is being answered."""
        self._cycle = cycle

    def end(self) -> None:
        """It has its answer."""
        self._cycle = self._gone = None

    def happen(self) -> None:
        """The client is gone."""
        cycle, gone = self._cycle, self._gone
        self.end()
        if cycle is not None:  # uvicorn tells only the last request, and several may be queued
            cycle.disconnected = True
            cycle.message_event.set()
        if gone is not None:
            gone()


class HttpProtocol(HttpToolsProtocol):
    """HTTP/1.1 with bounds on the head of a request and on the time that its sender takes.

    A socket is closed when the next head is not complete after `head_timeout` seconds, and when a body comes in at
    less than `body_rate` bytes a second while the application wants it.
    """

    head_timeout = 30.0
    """Source: `KestrelServerLimits.RequestHeadersTimeout`."""

    body_rate = 240.0
    """Source: `KestrelServerLimits.MinRequestBodyDataRate`, with `body_grace`."""

    body_grace = 5.0
    """Seconds over which the rate is taken."""

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """uvicorn's objects are only made for a request that is not an upgrade, so an upgrade is parsed once."""
        self.config, self.server_state, self.app_state = config, server_state, app_state
        self.loop = _loop or asyncio.get_event_loop()
        self._is_http = False
        self._progress = 0
        self._unfinished = 0
        """Bytes since something was complete: a head, a piece of a body, a request."""
        self._received = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._waits_for_head = True
        self._in_head = False
        self._disconnect: Disconnect | None = None

    @property
    def unused(self) -> bool:
        """Whether it has brought no request yet."""
        return not self._is_http

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        self.server_state.connections.add(self)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_deadline()
        if self._disconnect is not None:
            self._disconnect.happen()
        if self._is_http:
            super().connection_lost(exc)
        else:
            self.server_state.connections.discard(self)
            self.transport.close()

    def shutdown(self) -> None:
        if self._is_http:
            super().shutdown()
        else:
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        if not self._is_http:
            if b"websocket" in data and self._hand_over(data):
                return
            self._begin_http()
        progress = self._progress
        self._received += len(data)
        super().data_received(data)
        if self.transport.is_closing() or self.transport.get_protocol() is not self:  # refused, or a WebSocket now
            self._forget_deadline()
            return
        request: RequestResponseCycle | None = self.cycle
        self._unfinished = 0 if self._progress != progress else self._unfinished + len(data)
        if self._unfinished > HEAD_SIZE:
            self.send_400_response("The request is too large.")
        elif request is None or request.response_complete:
            self._await_head()
        elif request.more_body:
            self._await_body()
        else:
            self._forget_deadline()

    def _begin_http(self) -> None:
        transport, self._is_http = self.transport, True
        super().__init__(self.config, self.server_state, self.app_state, self.loop)
        super().connection_made(transport)

    def _hand_over(self, data: bytes) -> bool:
        """Whether the WebSocket protocol has taken the first bytes, which are a whole upgrade request."""
        take_over = getattr(self.config.ws_protocol_class, "take_over", None)
        if take_over is None or not take_over(self, data):
            return False
        self._forget_deadline()
        self.server_state.connections.discard(self)
        return True

    def on_message_begin(self) -> None:
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        size = len(self.url) + sum([len(name) + len(value) for name, value in self.headers])
        if size > HEAD_SIZE or len(self.headers) > HEADERS or len(self.pipeline) >= PIPELINED:
            raise ValueError("more than a client has reason to send")  # the parser has it answered with 400
        self._progress += 1
        self._in_head = False
        self._forget_deadline()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._progress += 1
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._progress += 1
        super().on_message_complete()

    def on_response_complete(self) -> None:
        if self._disconnect is not None:
            self._disconnect.end()
        super().on_response_complete()
        if self._in_head and not self.transport.is_closing():  # came while the last one was being answered
            self._await_head()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        if self._disconnect is None:
            self._disconnect = Disconnect(self.flow)
        self._disconnect.begin(cycle)
        scope: dict[str, Any] = cycle.scope  # type: ignore[assignment]
        scope.setdefault("extensions", {})[DISCONNECT] = {
            "watch": self._disconnect.watch,
            "abort": self._disconnect.abort,
        }
        super()._start_asgi_task(cycle, app)

    def _await_head(self) -> None:
        if self._deadline is None or not self._waits_for_head:
            self._forget_deadline()
            self._waits_for_head = True
            self._deadline = self.loop.call_later(self.head_timeout, self.transport.close)

    def _await_body(self) -> None:
        if self._deadline is None or self._waits_for_head:
            self._forget_deadline()
            self._waits_for_head = False
            self._deadline = self.loop.call_later(self.body_grace, self._check_body, self._received)

    def _check_body(self, before: int) -> None:
        self._deadline = None
        if self.cycle.response_complete or not self.cycle.more_body:
            return
        if not self.flow.read_paused and self._received - before < self.body_rate * self.body_grace:
            self.transport.close()
        else:
            self._await_body()

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class _ServerProtocol(ServerProtocol):
    """The frames of one WebSocket."""

    answers_normally = False
    """Whether a peer's close frame is answered with 1000 instead of its own code."""

    def send_frame(self, frame: Frame) -> None:
        if self.answers_normally and frame.opcode is Opcode.CLOSE and self.close_rcvd and self.state is State.OPEN:
            frame = Frame(Opcode.CLOSE, Close(1000, "").serialize())
        super().send_frame(frame)

    def answer_normally(self) -> None:
        self.answers_normally = True


class WebSocketProtocol(asyncio.BufferedProtocol, WebSocketsSansIOProtocol):  # type: ignore[misc]  # `eof_received`
    """WebSockets whose peer cannot make the server keep more than a message of the greatest size allowed."""

    conn: _ServerProtocol

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        given = self.conn
        self.conn = _ServerProtocol(
            extensions=given.available_extensions, max_size=self.config.ws_max_size, logger=given.logger
        )
        self._buffer = bytearray()
        self._joined = bytearray()
        """The message that is coming in fragments, without its last one."""

    def get_buffer(self, sizehint: int) -> bytearray:
        self._buffer = bytearray(READ_SIZE)
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        data = bytes(memoryview(self._buffer)[:nbytes])
        self._buffer = bytearray()
        self.data_received(data)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            self._refuse()

    async def run_asgi(self) -> None:
        """Run the application. uvicorn takes a refusal with a status and a body for no answer, and logs an error.

        What the application may ask for besides: `hubline/extensions.py` says more.
        """
        self.scope["extensions"][CLOSE] = {"answer_normally": self.conn.answer_normally}
        app = self.app

        async def answering(*arguments: Any) -> Any:
            result = await app(*arguments)
            if self.initial_response is not None and self.close_sent:
                self.handshake_complete = True
            return result

        self.app = answering
        await super().run_asgi()

    async def send(self, message: Any) -> None:
        """Send what the application answers, unless the server's end has answered the request before it."""
        if self.conn.eof_sent and not self.handshake_complete:
            raise ClientDisconnected
        await super().send(message)

    def handle_cont(self, event: Any) -> None:
        """Join what continues a message at once: a list of single bytes takes fifty times their size."""
        if event.fin:
            super().handle_cont(event)
            self._joined = bytearray()
        elif event.data:
            if self._joined is not self.frames[0]:
                self._joined = bytearray(self.frames[0])
                self.frames = [self._joined]  # type: ignore[list-item]  # uvicorn joins what is in it
            self._joined += event.data

    def handle_ping(self) -> None:
        """Leave pings of a peer that does not read unanswered (RFC 6455 §5.5.3): it would pile up pongs."""
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()

    def shutdown(self) -> None:
        """If the peer has sent a close frame and its socket is open, uvicorn would fail and not stop the others."""
        if not self.transport.is_closing():
            super().shutdown()

    def _refuse(self) -> None:
        """The library found the upgrade request too large or malformed; uvicorn would never answer it."""
        if not self.transport.is_closing():
            self.transport.write(b"".join(self.conn.data_to_send()) or _BAD_REQUEST)
            self.transport.close()
