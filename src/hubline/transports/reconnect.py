"""Stateful reconnect: joins the bytes of a session's sockets into one stream."""

import asyncio

from hubline._tasks import wake_up
from hubline.connection import Feed
from hubline.errors import ConnectionClosed
from hubline.transports.carrier import Input


class ReconnectInput:
    """The input of a session from its sockets, one after the other."""

    __slots__ = ("_error", "_held", "_news", "_socket")

    def __init__(self, socket: Input) -> None:
        self._socket = socket
        self._error: ConnectionClosed | None = None
        self._news: asyncio.Future[None] | None = None
        self._held: asyncio.Future[None] | None = None
        """The future that the reader waits for before it takes more bytes, from any socket."""

    def replace(self, socket: Input) -> None:
        """Read from this socket from now on. Unread bytes of the last one are dropped, because they are sent again."""
        last, self._socket = self._socket, socket
        last.close(ConnectionClosed())
        if self._error is not None:
            socket.close(self._error)
        wake_up(self._news)

    async def get(self) -> bytes:
        while True:
            socket = self._socket
            try:
                return await socket.get()
            except ConnectionClosed:
                await self._another(socket)

    async def consume(self, feed: Feed) -> None:
        def note(data: bytes) -> asyncio.Future[None] | None:
            self._held = feed(data)
            return self._held

        while True:
            socket = self._socket
            try:
                await socket.consume(note)
            except ConnectionClosed:
                await self._another(socket)
            if self._held is not None and not self._held.done():
                await asyncio.wait([self._held])

    def close(self, error: ConnectionClosed) -> None:
        self.finish(error)
        self._socket.close(error)

    def finish(self, error: ConnectionClosed) -> None:
        """No other socket will follow. Bytes of this one are still read."""
        if self._error is None:
            self._error = error
            wake_up(self._news)

    async def _another(self, socket: Input) -> None:
        """Wait until another socket has replaced it. Raises `ConnectionClosed` if none will."""
        while self._socket is socket:
            if self._error is not None:
                raise self._error
            self._news = asyncio.get_running_loop().create_future()
            await self._news
