"""picows as a parser only: no socket, no log and no handshake of its own.

picows is not made for this use. So its version is pinned, and `tests/servers` check each assumption.
"""

import logging
import sys
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

from picows import WSAutoPingStrategy, WSFrame, WSListener, WSTransport, WSUpgradeResponse
from picows import WSUpgradeResponseWithListener as Upgraded
from picows.picows import WSProtocol  # type: ignore[attr-defined]  # its stubs leave it out

from hubline.servers.protocols import READ_SIZE
from hubline.websocket_frames import close_reason

logger = logging.getLogger("hubline.server")

Refused: TypeAlias = Callable[[int, str], None]

LARGE = 32_768
"""Bytes of a message after which a parser is not used again: picows never makes its buffer smaller."""

SMALL = 1_024
"""Bytes that can be read at once without picows making its buffer larger, which moves it: it begins with 2,048."""

SPARE = 16
"""Parsers that are kept for connections in the middle of a frame. Ours: making one takes 20 µs."""

_REQUEST = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


class _Socketless:
    """The transport that picows gets. It only parses; what it writes is read here.

    It has no socket, because picows would set options that a Unix socket does not have.
    """

    __slots__ = ("_refused",)

    def __init__(self, refused: Refused) -> None:
        self._refused = refused

    def get_extra_info(self, name: str) -> Any:
        return _NoSocket if name == "socket" else None

    def get_write_buffer_size(self) -> int:
        return 1  # or it would write to the socket itself

    def write(self, data: bytes | bytearray) -> None:
        if refused := close_reason(data):
            self._refused(*refused)

    def close(self) -> None: ...


class _NoSocket:
    @staticmethod
    def setsockopt(*option: Any) -> None: ...

    @staticmethod
    def getsockopt(*option: Any) -> int:
        return 0

    @staticmethod
    def fileno() -> int:
        return -1


class _Quiet:
    """The logger for picows. It drops messages about the peer, and logs exceptions of Hubline."""

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802  # the name is logging's
        return False

    def debug(self, *_: Any) -> None: ...

    info = warning = error = debug

    def exception(self, *_: Any) -> None:
        logger.exception("a WebSocket failed")


_QUIET = _Quiet()
_RESPONSE = WSUpgradeResponse.create_101_response()


class Owner(Protocol):
    """The owner of the parsed bytes. Neither method raises."""

    def on_frame(self, frame: WSFrame) -> None:
        """A frame is complete. It must not be kept, because it is a view of the parser's buffer."""

    def on_mistake(self, code: int, picows_says: str) -> None:
        """The parser cannot continue. It reads one frame ahead: the frame before the error follows."""


class Parser(WSListener):
    """Reads frames for one owner at a time. After a close frame or an error it cannot be used for another owner."""

    __slots__ = ("_protocol", "begun", "grown", "owner", "rest", "spoilt", "view")

    view: memoryview
    """The buffer of the last bytes. Do not read it after picows may have enlarged it."""

    def __init__(self) -> None:
        self.owner: Owner | None = None
        self.rest: int | bool = False
        """Whether only the same owner can use it: a frame is incomplete, or no frame can follow."""
        self.spoilt = self.grown = False
        self.begun: bytes | None = b""
        """The first bytes of an incomplete frame, until it is known not to be large; then None."""
        self._protocol = WSProtocol(
            host_port=None,
            ws_path=None,
            is_client_side=False,
            ws_listener_factory=lambda _: Upgraded(_RESPONSE, self),
            logger=_QUIET,
            disconnect_on_exception=True,
            websocket_handshake_timeout=None,
            enable_auto_ping=False,
            auto_ping_idle_timeout=None,
            auto_ping_reply_timeout=None,
            auto_ping_strategy=WSAutoPingStrategy.PING_WHEN_IDLE,
            enable_auto_pong=False,
            max_frame_size=sys.maxsize,  # a large frame is taken from it
            extra_headers=None,
            read_buffer_init_size=0,
        )
        self._protocol.connection_made(_Socketless(self._refused))
        self.get_buffer()[: len(_REQUEST)] = _REQUEST
        self._protocol.buffer_updated(len(_REQUEST))

    def get_buffer(self) -> memoryview:
        """The buffer for the next bytes."""
        buffer: memoryview = self._protocol.get_buffer(-1)
        if len(buffer) > READ_SIZE:
            buffer = buffer[:READ_SIZE]
        self.view = buffer
        return buffer

    def buffer_updated(self, size: int, owner: Owner) -> None:
        """`size` bytes of `owner` have been put there."""
        self.owner, self.rest = owner, size
        self._protocol.buffer_updated(size)
        if not self.rest:
            self.owner = None

    def much_updated(self, size: int, owner: Owner) -> None:
        """The same for more than `SMALL` bytes, or behind others. Sets `begun`, if a frame is not whole."""
        data = bytes(self.view[:size])
        self.buffer_updated(size, owner)
        if self.rest != size:
            self.begun = data[-self.rest :] if self.rest else b""
        elif self.begun is not None:
            self.begun += data

    def little_updated(self) -> None:
        """Sets `begun` after `buffer_updated`, if at most `SMALL` bytes were put into an empty buffer."""
        self.begun = bytes(self.view[: self.rest])  # picows has moved it to where its buffer begins

    def release(self) -> None:
        """Free the parser, its buffer and its owner."""
        self.owner = None
        del self._protocol, self.view  # the former refers to us

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        self.rest = frame.tail_size or self.spoilt or transport.close_handshake is not None
        if frame.payload_size > LARGE:
            self.grown = True
        if self.owner is not None:
            self.owner.on_frame(frame)

    def _refused(self, code: int, picows_says: str) -> None:
        if not self.spoilt and self.owner is not None:
            self.spoilt = True
            self.owner.on_mistake(code, picows_says)


class Parsers:
    """The parsers of a server: one for all connections, except those in the middle of a frame.

    A parser holds 4 KB, and the largest message that it has ever had; an idle connection needs none.
    """

    def __init__(self) -> None:
        self._spare: list[Parser] = []
        self.shared = Parser()

    def keep(self) -> Parser:
        """Leave the shared one to a connection until its frame is whole."""
        parser = self.shared
        self.shared = self._spare.pop() if self._spare else Parser()
        return parser

    def give_back(self, parser: Parser) -> None:
        """The frame is complete."""
        parser.begun = b""
        if not parser.grown and len(self._spare) < SPARE:
            self._spare.append(parser)


def probe() -> None:
    """Check that picows behaves as expected; raises any exception if not. Call it while an event loop runs."""
    found: list[Any] = []

    class Probe:
        def on_frame(self, frame: WSFrame) -> None:
            found.append((frame.get_payload_as_bytes(), frame.tail_size))

        def on_mistake(self, code: int, picows_says: str) -> None:
            found.append(code)

    for behind, expected in ((b"\x83\x80", [1002, (b"ok", 2)]), (b"\x81\xff", [(b"ok", 2)])):
        found.clear()
        parser, sent = Parser(), b"\x81\x82\0\0\0\0ok" + behind
        parser.get_buffer()[: len(sent)] = sent
        parser.buffer_updated(len(sent), Probe())
        parser.little_updated()
        if found != expected or not parser.rest or parser.begun != behind:
            raise RuntimeError(f"it reads {found} and keeps {parser.begun!r}")
