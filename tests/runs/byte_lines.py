"""Connections to a hub through the real server's protocols, byte by byte and without sockets, so cuts cost nothing.

A `Line` is one connection of a client on one transport. What it and the server say to each other are the bytes that
would be on the wire: HTTP heads, chunks, WebSocket frames. A `Cut` ends it after any of them.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import h11
from uvicorn.server import ServerState
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

from hubline.servers.uvicorn import configure
from hubline.wire.negotiate import NegotiateResponse

HOST = [("Host", "hub"), ("Connection", "close")]


class Cut:
    """Where a line ends: behind `left` bytes of both directions together, `None` for never.

    A line that is `half_open` then looks alive to the server.
    """

    def __init__(self, left: int | None = None, *, half_open: bool = False) -> None:
        self.left, self.half_open = left, half_open

    def passes(self, data: bytes) -> bytes:
        if self.left is None:
            return data
        data = data[: self.left]
        self.left -= len(data)
        return data

    @property
    def is_due(self) -> bool:
        return self.left == 0


class Carrier(Protocol):
    """The client's end of one TCP connection."""

    def say(self, data: bytes) -> None: ...

    def lose(self, *, half_open: bool) -> None: ...

    def flow(self) -> None: ...


class Place(Protocol):
    """Where connections are made. `told` hears what comes, `ended` that there will be no more."""

    def wire(self, line: "Line", told: Callable[[bytes], None], ended: Callable[[], None]) -> Carrier: ...


class Site:
    """The protocols of `hubline run`, or of plain uvicorn, around an application."""

    def __init__(self, app: Any, *, accelerate: bool = True) -> None:
        self._config = configure(
            app, accelerate=accelerate, log_config=None, log_level="error", access_log=False, lifespan="off"
        )
        self._config.load()
        self._state = ServerState()
        self.wires: set[Wire] = set()

    def wire(self, line: "Line", told: Callable[[bytes], None], ended: Callable[[], None]) -> "Wire":
        loop = asyncio.get_running_loop()
        made: Any = self._config.http_protocol_class
        protocol = made(config=self._config, server_state=self._state, app_state={}, _loop=loop)
        return Wire(self, protocol, line, told, ended)

    def close(self) -> None:
        """Break what there is."""
        for wire in list(self.wires):
            wire.abort()


class Wire(asyncio.Transport):
    """The server's end of one TCP connection. `told` is the client's ear, `ended` is called when the server closes."""

    def __init__(
        self,
        site: Site,
        protocol: Any,
        line: "Line",
        told: Callable[[bytes], None],
        ended: Callable[[], None],
    ) -> None:
        super().__init__()
        self._site, self._protocol, self._line, self._told, self._ended = site, protocol, line, told, ended
        self._loop = asyncio.get_running_loop()
        self._down, self._up = bytearray(), deque[bytes]()
        self._closing = self._gone = self._paused = self._full = self._lost = False
        self._high, self._low = 65_536, 16_384
        site.wires.add(self)
        protocol.connection_made(self)

    # The client's side

    def say(self, data: bytes) -> None:
        """To the server, as far as it is not cut."""
        data = self._line.cut.passes(data)
        if data and not self._lost:
            self._up.append(data)
            self._loop.call_soon(self._bring)
        if self._line.cut.is_due:
            self._line.break_off()

    def lose(self, *, half_open: bool) -> None:
        """The client is gone. The server notices, unless the line is half open."""
        self._lost = True
        self._down.clear()
        if not half_open:
            self._closing = True
            self._loop.call_soon(self._end)

    def flow(self) -> None:
        """Bring the client what waits for it, unless it does not read."""
        if self._lost or self._line.stalled or not self._down:
            self._finish()
            return
        data = self._line.cut.passes(bytes(self._down))
        self._down.clear()
        if self._full:
            self._full = False
            self._protocol.resume_writing()
        if data:
            self._told(data)
        if self._line.cut.is_due:
            self._line.break_off()
        self._finish()

    # The server's side

    def write(self, data: Any) -> None:
        if self._closing:
            return
        self._down += data
        if self._lost:  # half open: the system takes what it can, and nobody comes for it
            del self._down[self._high + 1 :]
        self._loop.call_soon(self.flow)
        if len(self._down) > self._high and not self._full:
            self._full = True
            self._protocol.pause_writing()

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def get_write_buffer_size(self) -> int:
        return len(self._down)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = 65_536 if high is None else high
        self._low = self._high // 4 if low is None else low

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 80) if name in ("peername", "sockname") else default

    def set_protocol(self, protocol: Any) -> None:
        self._protocol = protocol

    def get_protocol(self) -> Any:
        return self._protocol

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        self._closing = True
        self._loop.call_soon(self._finish)

    def abort(self) -> None:
        self._closing = True
        self._down.clear()
        self._loop.call_soon(self._finish)

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False
        self._loop.call_soon(self._bring)

    def _bring(self) -> None:
        while self._up and not self._paused and not self._closing:
            data = self._up.popleft()
            if isinstance(self._protocol, asyncio.BufferedProtocol):
                buffer = memoryview(self._protocol.get_buffer(len(data)))
                piece = data[: len(buffer)]
                if len(piece) < len(data):
                    self._up.appendleft(data[len(piece) :])
                buffer[: len(piece)] = piece
                self._protocol.buffer_updated(len(piece))
            else:
                self._protocol.data_received(data)

    def _finish(self) -> None:
        if self._closing and not self._down:
            self._end()

    def _end(self) -> None:
        if self._gone:
            return
        self._gone = True
        self._site.wires.discard(self)
        self._protocol.connection_lost(None)
        if not self._lost:
            self._ended()


class Line:
    """One connection of a client, on one transport. `told` hears what comes in one piece, `ended` that it is over."""

    def __init__(self, site: Place, target: str, cut: Cut, told: Callable[[bytes], None]) -> None:
        self.site, self.target, self.cut, self.told = site, target, cut, told
        self.stalled = self.over = False
        self.wires: list[Carrier] = []

    def open(self, opened: Callable[[], None]) -> None:
        """Connect. `opened` is called when the handshake may be sent."""
        raise NotImplementedError

    def send(self, data: bytes, *, binary: bool) -> None:
        raise NotImplementedError

    def break_off(self) -> None:
        """The line is cut."""
        if not self.over:
            self.over = True
            for wire in self.wires:
                wire.lose(half_open=self.cut.half_open)

    def stall(self, stalled: bool) -> None:
        """Read nothing for a while, or go on."""
        self.stalled = stalled
        for wire in self.wires:
            wire.flow()

    def end(self) -> None:
        self.over = True

    def _wire(self, told: Callable[[bytes], None], ended: Callable[[], None]) -> Carrier:
        wire = self.site.wire(self, told, ended)
        self.wires.append(wire)
        return wire


class WebSocketLine(Line):
    """Without negotiation, as official clients may."""

    def open(self, opened: Callable[[], None]) -> None:
        self._opened = opened
        self._socket = ClientProtocol(parse_uri(f"ws://hub{self.target}"))
        self._carrier = self._wire(self._read, self.end)
        self._socket.send_request(self._socket.connect())
        self._flush()

    def send(self, data: bytes, *, binary: bool) -> None:
        (self._socket.send_binary if binary else self._socket.send_text)(data)
        self._flush()

    def _read(self, data: bytes) -> None:
        self._socket.receive_data(data)
        for event in self._socket.events_received():
            if not isinstance(event, Frame):
                assert self._socket.handshake_exc is None, self._socket.handshake_exc
                self._opened()
            elif event.opcode in (Opcode.TEXT, Opcode.BINARY):
                self.told(bytes(event.data))
            elif event.opcode is Opcode.CLOSE:
                self.end()
        self._flush()

    def _flush(self) -> None:
        for data in self._socket.data_to_send():
            if data and not self.over:
                self._carrier.say(data)


class Exchange:
    """One request on a wire of its own. `told` hears pieces of the body; `done` the status and all of it."""

    def __init__(
        self,
        line: Line,
        method: str,
        target: str,
        body: bytes = b"",
        *,
        accept: str = "*/*",
        headers: Sequence[tuple[str, str]] = (),
        begun: Callable[[], None] = lambda: None,
        told: Callable[[bytes], None] = lambda _: None,
        done: Callable[[int, bytes], None] = lambda *_: None,
    ) -> None:
        self._begun, self._told, self._done, self._line = begun, told, done, line
        self._http, self._body, self._status = h11.Connection(h11.CLIENT), b"", 0
        wire = line._wire(self._read, self._close)
        fixed = [*HOST, ("Accept", accept), ("Content-Length", str(len(body)))]
        request = h11.Request(method=method, target=target, headers=[*fixed, *headers])
        parts = [self._http.send(event) or b"" for event in (request, h11.Data(body), h11.EndOfMessage())]
        wire.say(b"".join(parts))

    def _close(self) -> None:
        if self._http.their_state in (h11.SEND_RESPONSE, h11.SEND_BODY):
            self._line.end()

    def _read(self, data: bytes) -> None:
        self._http.receive_data(data)
        while not isinstance(event := self._http.next_event(), type) and not self._line.over:
            if isinstance(event, h11.Response):
                if event.status_code == 404:  # it has not heard of us for too long
                    self._line.end()
                    return
                assert event.status_code in (200, 202, 204), event
                self._status = event.status_code
                self._begun()
            elif isinstance(event, h11.Data):
                self._body += event.data
                self._told(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                self._done(self._status, self._body)
                return


class _PostingLine(Line):
    """A transport whose way to the server is a POST."""

    _id = ""

    def open(self, opened: Callable[[], None]) -> None:
        path, _, query = self.target.partition("?")
        self._opened = opened
        Exchange(self, "POST", f"{path}/negotiate?{query}&negotiateVersion=1", done=self._negotiated)

    def send(self, data: bytes, *, binary: bool) -> None:
        Exchange(self, "POST", self._id, data)

    def _negotiated(self, _: int, body: bytes) -> None:
        self._id = f"{self.target}&id={NegotiateResponse.parse(body).connection_token}"
        self._listen()

    def _listen(self) -> None:
        raise NotImplementedError


class EventsLine(_PostingLine):
    """Server-Sent Events: an event counts when it is whole."""

    _buffer = b""

    def _listen(self) -> None:
        Exchange(
            self, "GET", self._id, accept="text/event-stream", begun=self._opened, told=self._read, done=self._ended
        )

    def _read(self, data: bytes) -> None:
        *events, self._buffer = (self._buffer + data).split(b"\r\n\r\n")
        for event in events:
            lines = [line for line in event.split(b"\r\n") if not line.startswith(b":")]
            if lines:
                self.told(b"\n".join(line.removeprefix(b"data: ") for line in lines))

    def _ended(self, *_: Any) -> None:
        self.end()


class PollingLine(_PostingLine):
    """Long polling: the answer to a poll counts when it is whole."""

    _is_open = False

    def _listen(self) -> None:
        Exchange(self, "GET", self._id, done=self._polled)

    def _polled(self, status: int, body: bytes) -> None:
        if status == 204:
            self.end()
        elif body:
            self.told(body)
        if not self._is_open:
            self._is_open = True
            self._opened()
        if not self.over:
            self._listen()


LINES: dict[str, type[Line]] = {"websocket": WebSocketLine, "sse": EventsLine, "long_polling": PollingLine}
