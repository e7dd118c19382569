"""One forwarded request on a link; both ends use this class.

Each end may send `WINDOW` bytes of data before the other has taken them, and then waits. So a client that does not read
fills the outbox of its connection as if it were connected there, and does not delay the other streams of the link.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from hubline._tasks import wake_up
from hubline.nodes.frames import CREDIT, Kind

WINDOW = 65_536
"""Bytes. Equal to the high-water mark of an outbox: one write of the largest size can be under way. Ours."""

PAID = frozenset({Kind.DATA, Kind.LAST, Kind.TEXT})
"""Frames that cost credit."""


class LinkLost(ConnectionError):
    """The link has ended, and its streams with it. A transport handles it like a lost peer."""


class Wire(Protocol):
    """What a stream needs of its link."""

    def write(self, kind: Kind, stream: int, payload: bytes = b"") -> None: ...

    async def writable(self) -> None: ...

    def forget(self, stream: int) -> None: ...


class Stream:
    """One request. Either end uses one task to read and one to write."""

    __slots__ = (
        "_arrived",
        "_credit",
        "_link",
        "_news",
        "_owed",
        "_room",
        "ended",
        "has_gone",
        "number",
        "on_gone",
        "on_leave",
    )

    def __init__(self, link: Wire, number: int) -> None:
        self.number = number
        self.ended = False
        """Nothing more is sent or received: its last frame was sent or read, or the link is lost."""
        self.has_gone = False
        """The client has gone, although that may not be read yet."""
        self.on_gone: Callable[[], None] | None = None
        """Is called when the client has gone or the link is lost."""
        self.on_leave: Callable[[], None] | None = None
        """Is called when the node with the client's socket will stop."""
        self._link = link
        self._arrived: deque[tuple[Kind, bytes]] = deque()
        self._news: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None
        self._credit = WINDOW
        self._owed = 0

    @property
    def waiting_bytes(self) -> int:
        """Bytes that have arrived and were not read."""
        return sum(len(payload) for _, payload in list(self._arrived))

    def arrived(self, kind: Kind, payload: bytes) -> None:
        """A frame of this stream, from the link."""
        if kind is Kind.CREDIT:
            self._credit += CREDIT.unpack(payload)[0]
            if self._credit > 0:
                wake_up(self._room)
            return
        if kind is Kind.LEAVE:
            if self.on_leave is not None:
                self.on_leave()
            return
        self._arrived.append((kind, payload))
        wake_up(self._news)
        if kind is Kind.GONE:
            self._tell_gone()

    def lose(self) -> None:
        """The link is lost. Frames that have arrived are still read."""
        self.ended = True
        wake_up(self._news)
        wake_up(self._room)
        self._tell_gone()

    async def get(self) -> tuple[Kind, bytes]:
        """The next frame. Cancelling it loses nothing.

        Raises:
            LinkLost: the link is lost, and everything that arrived before is read.
        """
        while not self._arrived:
            if self.ended:
                raise LinkLost("the link to the other node is lost")
            self._news = asyncio.get_running_loop().create_future()
            await self._news
        return self._arrived.popleft()

    def took(self, size: int) -> None:
        """Data of this size was passed on, so the other end may send as much again."""
        self._owed += size
        if self._owed >= WINDOW // 2 and not self.ended:
            self._link.write(Kind.CREDIT, self.number, CREDIT.pack(self._owed))
            self._owed = 0

    async def put(self, kind: Kind, payload: bytes) -> None:
        """Send data when there is credit. One frame, whatever its size; the next one waits longer.

        Raises:
            LinkLost: the link is lost, or the other end has ended the stream.
        """
        while self._credit <= 0 and not self.ended:
            self._room = asyncio.get_running_loop().create_future()
            await self._room
        if not self.ended:
            await self._link.writable()
        if self.ended:
            raise LinkLost("the link to the other node is lost")
        self._credit -= len(payload)
        self._link.write(kind, self.number, payload)

    def tell(self, kind: Kind, payload: bytes = b"") -> None:
        """Send a frame that costs no credit. After the end of the stream it does nothing."""
        if not self.ended:
            self._link.write(kind, self.number, payload)

    def end(self) -> None:
        """This end is done with it. Frames that still arrive are dropped."""
        if not self.ended:
            self.ended = True
            self._link.forget(self.number)
        wake_up(self._room)

    def _tell_gone(self) -> None:
        self.has_gone = True
        callback, self.on_gone = self.on_gone, None
        if callback is not None:
            callback()
