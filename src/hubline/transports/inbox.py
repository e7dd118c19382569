"""The bytes of POST requests that the application has not read yet."""

import asyncio
from abc import ABC, abstractmethod

from hubline._tasks import wake_up
from hubline.connection import Feed
from hubline.errors import ConnectionClosed
from hubline.transports.turns import PIECE, turns


class PulledInput(ABC):
    """A source of bytes that is read with `get`."""

    __slots__ = ()

    @abstractmethod
    async def get(self) -> bytes:
        """The next bytes, never empty. Raises `ConnectionClosed` if there are no more."""

    async def consume(self, feed: Feed) -> None:
        """See `TransportConnection.consume`."""
        while True:
            held = feed(await self.get())
            if held is not None:
                await held


class Inbox(PulledInput):
    """A bounded stream of bytes from POST requests to the reader of a connection.

    As the original's application pipe: a request that feeds it waits while more than `capacity` bytes are unread, and
    continues when at most half of that is left.
    """

    __slots__ = ("_cut", "_ended", "_error", "_feeding", "_reader", "_room", "_unread", "capacity")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._unread = bytearray()  # not a list: many small bodies would need much more memory than their bytes
        self._cut = False
        """A piece was read in this turn. The rest waits for the next turn."""
        self._reader: asyncio.Future[None] | None = None
        self._room: asyncio.Event | None = None
        self._feeding: asyncio.Lock | None = None
        self._ended: ConnectionClosed | None = None
        self._error: ConnectionClosed | None = None

    async def get(self) -> bytes:
        """All unread bytes, or one piece in each turn if there are more than `PIECE`. Never empty. May be cancelled.

        Raises:
            ConnectionClosed: at once after `close()`; after `finish()`, when everything is read.
        """
        had_turn = False
        while True:
            if self._error is not None:
                raise self._error
            if self._unread:
                if had_turn or not (self._cut or len(self._unread) > PIECE):
                    return self._take()
                await turns().wait()
                had_turn = True
                continue
            if self._ended is not None:
                raise self._ended
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None

    async def feed(self, data: bytes) -> bool:
        """Add bytes, then wait while too many are unread. False if the connection no longer reads."""
        if self.closed:
            return False
        if data:
            self._unread += data
            self._wake()
        if self.size > self.capacity:
            if self._room is None:
                self._room = asyncio.Event()
            await self._room.wait()
        return not self.closed

    @property
    def feeding(self) -> asyncio.Lock:
        """Held by the request that feeds, so that the bytes of two requests never mix. WebSockets need none."""
        if self._feeding is None:
            self._feeding = asyncio.Lock()
        return self._feeding

    @property
    def size(self) -> int:
        """Bytes not read yet."""
        return len(self._unread)

    @property
    def closed(self) -> bool:
        return self._error is not None or self._ended is not None

    def finish(self, error: ConnectionClosed) -> None:
        """No more bytes will arrive. Those that are here are still read."""
        if not self.closed:
            self._ended = error
            self._release()

    def close(self, error: ConnectionClosed) -> None:
        """Stop reading: nothing more is read."""
        if self._error is None:
            self._error = error
            self._unread.clear()
            self._release()

    def _take(self) -> bytes:
        data = bytes(self._unread[:PIECE])
        del self._unread[:PIECE]
        self._cut = bool(self._unread)
        if len(self._unread) <= self.capacity // 2:
            self._make_room()
        return data

    def _release(self) -> None:
        self._wake()
        self._make_room()

    def _wake(self) -> None:
        wake_up(self._reader)

    def _make_room(self) -> None:
        if self._room is not None:
            self._room.set()
            self._room = None
