"""A TCP proxy that cuts connections at any byte, seeded, every second one for the client only: the half-open case."""

import asyncio
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

PIECE = 65_536
SETTLED = 0.1
"""Seconds after an upgrade in which nothing is cut. The official JavaScript client gives up when a socket is lost while
it says again what the server may not have got, and the .NET client when it is lost within a WebSocket message of which
it has received 4,096 bytes, which is what a server says again."""
KEPT_OPEN = 64
"""Half-open connections to the server at once."""


class CuttingProxy:
    """Forwards everything, and ends each WebSocket after a random number of bytes.

    `settled` is how many seconds after its upgrade; `None`: every connection, of plain HTTP too, from its first byte.
    """

    def __init__(
        self,
        url: str,
        *,
        seed: int,
        shortest: int = 40,
        longest: int = 1_500,
        settled: float | None = SETTLED,
        half_open: bool = True,
    ) -> None:
        address = urlsplit(url)
        self._target = (address.hostname, address.port)
        self._random = random.Random(seed)
        self._bounds, self._settled = (shortest, longest), settled
        self._tasks: set[asyncio.Task[None]] = set()
        self._kept_open: list[asyncio.StreamWriter] = []
        self._leaves_half_open = half_open
        self.cuts = self.half_open = 0
        self._lines: set[Line] = set()
        self.most = sys.maxsize
        """How often it cuts; then everything comes through."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        """Listen, and yield the address."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks)
            for writer in self._kept_open:
                writer.transport.abort()
            await asyncio.sleep(0)  # sockets are closed in the next turn

    def cut_now(self) -> None:
        """Cut every connection that there is with its next bytes."""
        for line in self._lines:
            line.cut_now()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._forward(reader, writer)
        finally:
            writer.transport.abort()
            self._tasks.discard(task)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        line = Line(writer, far_writer, self._random.randint(*self._bounds))
        self._lines.add(line)
        if self._settled is None:
            if self.cuts < self.most:
                line.arm()
        else:
            head = await reader.readuntil(b"\r\n\r\n")
            far_writer.write(head)
            if b"upgrade: websocket" in head.lower():
                writer.write(await far_reader.readuntil(b"\r\n\r\n"))
                asyncio.get_running_loop().call_later(self._settled, line.arm)
        ways = [asyncio.ensure_future(line.pump(*way)) for way in ((reader, far_writer), (far_reader, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            self._lines.discard(line)
            self.cuts += line.cut
            if line.cut and self._leaves_half_open and self.cuts % 2 == 0:
                self.half_open += 1
                self._kept_open.append(far_writer)  # to the server the socket looks alive
                if len(self._kept_open) > KEPT_OPEN:
                    self._kept_open.pop(0).transport.abort()
            else:
                far_writer.transport.abort()


class Line:
    """One connection through the proxy."""

    def __init__(self, near: asyncio.StreamWriter, far: asyncio.StreamWriter, left: int) -> None:
        self._near, self._far, self._left = near, far, left
        self._armed = self.cut = False

    def arm(self) -> None:
        self._armed = True

    def cut_now(self) -> None:
        self._left = min(self._left, 1)
        self._armed = True

    async def pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until one side has left, or it is time to cut: what is beyond that byte goes nowhere."""
        with suppress(OSError):
            while data := await reader.read(PIECE):
                if self._armed:
                    data, self._left = data[: self._left], self._left - len(data)
                    self.cut = self._left <= 0
                writer.write(data)
                await writer.drain()
                if self.cut:
                    return
