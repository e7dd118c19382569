"""The frame channel: picows parses a WebSocket and passes messages directly to the application (architecture §6).

A peer sees the behaviour of uvicorn's own protocol, including the reasons in close frames.
"""

import asyncio
import codecs
from collections.abc import Callable
from enum import Enum, auto

from picows import WSFrame, WSMsgType

from hubline._utf8 import is_utf8
from hubline.extensions import ChannelReader, ChannelWriter
from hubline.servers.large import LargeFrame
from hubline.servers.parser import SMALL, Parser, Parsers
from hubline.websocket_frames import (
    LONG_HEAD,
    PONG,
    close_frame,
    control_frame,
    has_long_head,
    is_close_payload,
    long_head,
)

LIMIT = 32_767
"""Bytes that the socket's transport buffers before it asks us to wait; it goes on at half of that. Ours: less than the
low-water mark of an outbox, so that one whose transport has not asked is not behind."""

MUCH = 8_192
"""The reader is told of a read of at least this size, and may pause reading. Ours."""

_TEXT, _BINARY, _CONTINUATION = WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION
_PING, _CLOSE = WSMsgType.PING, WSMsgType.CLOSE
_REASONS = (
    ("invalid opcode", "invalid opcode"),
    ("fragmented control", "fragmented control frame"),
    ("un-masked", "incorrect masking"),
    ("control frame with payload size", "control frame too long"),
    ("payload len", "invalid length"),
    ("invalid close code size", "close frame too short"),
    ("invalid close code", "invalid status code"),
)
"""Parts of picows' error texts, and the reasons that uvicorn sends for the same errors."""
_new_decoder = codecs.getincrementaldecoder("utf-8")


class ChannelState(Enum):
    OPEN = auto()
    CLOSING = auto()
    """Our close frame is sent, and the peer's is awaited."""
    CLOSED = auto()


_OPEN = ChannelState.OPEN
"""Getting an enum member from its class costs 0.1 µs."""


class _NotOpen(asyncio.Transport):
    """The transport until the channel is opened. It stays, if the peer leaves before."""

    def is_closing(self) -> bool:
        return True

    def write(self, data: object) -> None: ...

    def get_write_buffer_size(self) -> int:
        return 0


_NOT_OPEN = _NotOpen()


class Channel(asyncio.BufferedProtocol):
    """One accepted WebSocket: the protocol of its socket, and the channel of the application.

    Implements `hubline.extensions.FrameChannel`.
    """

    __slots__ = (
        "_decoder",
        "_lost",
        "_own",
        "_parsers",
        "_reader",
        "_reads",
        "_received",
        "_state",
        "_transport",
        "_within",
        "_writer",
        "_writes",
        "closed_by_peer",
    )

    limit = LIMIT

    def __init__(self, parsers: Parsers, lost: Callable[[Exception | None], None]) -> None:
        """`lost` is called when the socket is closed."""
        self._lost = lost
        self._parsers = parsers
        self._transport: asyncio.Transport = _NOT_OPEN
        self._own: Parser | LargeFrame | None = None
        """The channel's own parser in the middle of a frame; otherwise the shared one."""
        self._reader: ChannelReader | None = None
        self._state = ChannelState.OPEN
        self._within = False
        """A message arrives in fragments. They are passed on at once, and none is kept."""
        self._decoder: codecs.IncrementalDecoder | None = None
        """Of its text, which may be cut within a character."""
        self._reads = self._writes = True
        self.closed_by_peer = False

    @property
    def taken(self) -> bool:
        return self._reader is not None

    # Calls of the application

    def take(self, reader: ChannelReader, writer: ChannelWriter) -> None:
        self._reader, self._writer, self._received = reader, writer, reader.received

    def write(self, frame: bytes) -> None:
        self._transport.write(frame)

    def buffered(self) -> int:
        return self._transport.get_write_buffer_size()

    def pause_reading(self) -> None:
        if self._reads and not self._transport.is_closing():
            self._reads = False
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if not self._reads and not self._transport.is_closing():
            self._reads = True
            self._transport.resume_reading()

    # Calls of the server

    def open(self, transport: asyncio.Transport, early: bytes) -> None:
        """Take over a socket whose upgrade has been answered; `early` are bytes that followed the request."""
        self._transport = transport
        transport.set_write_buffer_limits(LIMIT, LIMIT // 2)
        transport.set_protocol(self)
        self._writer.write = transport.write
        self._parse(early)

    def close(self, code: int, reason: str) -> bool:
        """Send a close frame. True if the peer's answer must be awaited."""
        if self._state is not _OPEN or self._transport.is_closing():
            return False
        self._state = ChannelState.CLOSING
        self._transport.write(close_frame(code, reason))
        self.resume_reading()
        return True

    def shut_down(self) -> None:
        """The server ends: send a close with 1012 unless one was sent, and close the socket."""
        if self._state is _OPEN:
            self._end(1012, "")
        self._transport.close()

    # Input from the socket

    def get_buffer(self, sizehint: int) -> memoryview:
        return (self._own or self._parsers.shared).get_buffer()

    def buffer_updated(self, nbytes: int) -> None:
        if self._own is not None or nbytes > SMALL:
            self._much_updated(nbytes)
            return
        parser = self._parsers.shared
        parser.buffer_updated(nbytes, self)
        if parser.rest:
            parser.little_updated()
            self._keep(parser)

    def _much_updated(self, nbytes: int) -> None:
        own = self._own
        if isinstance(own, LargeFrame):
            self._take(own, bytes(own.get_buffer()[:nbytes]))
        else:
            parser = own or self._parsers.shared
            parser.much_updated(nbytes, self)
            if parser.rest:
                self._keep(parser)
            elif own is not None:
                self._own = None
                self._parsers.give_back(parser)
        if nbytes >= MUCH and self._state is _OPEN and self._reader is not None:
            self._reader.read_much(nbytes)

    def _keep(self, parser: Parser) -> None:
        """A frame is incomplete: the channel needs a parser of its own. A large frame is passed on in pieces."""
        if self._own is None:
            self._own = self._parsers.keep()
        begun = parser.begun
        if begun is None or parser.spoilt or (large := has_long_head(begun)) is None:
            return
        parser.begun = None
        if not large:
            return
        parser.release()
        head = long_head(begun)
        self._own = frame = LargeFrame(head)
        if head.reserved:
            self._end(1002, "reserved bits must be 0")
        self._take(frame, begun[LONG_HEAD:])

    def _take(self, frame: LargeFrame, data: bytes) -> None:
        behind = frame.take(data, self)
        if frame.whole:
            self._own = None
            self._parse(behind)

    def _parse(self, data: bytes) -> None:
        """Handle data as if the socket had received it."""
        while data:
            buffer = self.get_buffer(-1)
            piece, data = data[: len(buffer)], data[len(buffer) :]
            buffer[: len(piece)] = piece
            self.buffer_updated(len(piece))

    def connection_lost(self, exc: Exception | None) -> None:
        if isinstance(self._own, Parser):
            self._own.release()
        self._own = None
        self._part()
        self._lost(None)
        self._reader = None
        del self._writer, self._received  # both refer to this channel

    def on_frame(self, frame: WSFrame) -> None:
        kind, payload = frame.msg_type, frame.get_payload_as_bytes()
        if frame.rsv1 or frame.rsv2 or frame.rsv3:
            self._end(1002, "reserved bits must be 0")
        elif kind is _TEXT or kind is _BINARY or kind is _CONTINUATION:
            if not frame.fin or self._within or kind is _CONTINUATION:
                self.on_fragment(kind, bool(frame.fin), payload)
            elif self._state is _OPEN:
                if kind is _TEXT and not payload.isascii() and not is_utf8(payload):
                    self._end(1007, "")
                elif payload:
                    self._received(payload)
        else:
            self._on_control(kind, payload)

    def pause_writing(self) -> None:
        self._writes = False
        self._writer.pause_writing()

    def resume_writing(self) -> None:
        if self._state is not ChannelState.CLOSED:
            self._writes = True
            self._writer.resume_writing()

    def on_mistake(self, code: int, picows_says: str) -> None:
        self._transport.pause_reading()
        asyncio.get_running_loop().call_soon(self._refuse, code, picows_says)

    def _refuse(self, code: int, picows_says: str) -> None:
        self._end(code, next((ours for theirs, ours in _REASONS if theirs in picows_says), picows_says[:123]))

    def on_fragment(self, kind: WSMsgType, last: bool, payload: bytes) -> None:
        """A part of a message. It may end within a character, because only the whole message must be UTF-8."""
        if kind is not _CONTINUATION:
            if self._within:
                self._end(1002, "expected a continuation frame")
                return
            self._within, self._decoder = True, _new_decoder() if kind is _TEXT else None
        elif not self._within:
            self._end(1002, "unexpected continuation frame")
            return
        if last:
            self._within = False
        if self._state is not _OPEN:
            return
        if self._decoder is not None:
            try:
                self._decoder.decode(payload, last)
            except UnicodeDecodeError:
                self._end(1007, "")
                return
        if payload:
            self._received(payload)

    def _on_control(self, kind: WSMsgType, payload: bytes) -> None:
        if kind is _PING:
            if self._writes and self._state is not ChannelState.CLOSED:  # else pongs would accumulate
                self._transport.write(control_frame(PONG, payload))
        elif kind is _CLOSE:
            if self._state is ChannelState.CLOSING:
                self._transport.close()
            elif not is_close_payload(payload):
                self._end(1002, "invalid status code")
            else:
                self.closed_by_peer = True
                self._end(1000, "")  # whatever the peer's code is, as in the original

    def _end(self, code: int, reason: str) -> None:
        if self._state is _OPEN and not self._transport.is_closing():
            self._transport.write(close_frame(code, reason))
        self._transport.close()
        self._part()

    def _part(self) -> None:
        if self._state is not ChannelState.CLOSED:
            self._state = ChannelState.CLOSED
            self._decoder = None
            self._writer.pause_writing()
            assert self._reader is not None
            self._reader.left()
