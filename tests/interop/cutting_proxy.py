"""A TCP proxy that cuts WebSockets at any byte, seeded, every second one for the client only: the half-open case."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

PIECE = 65_536
SETTLED = 0.1
"""Seconds after an upgrade in which nothing is cut: the official JavaScript client gives up when a socket is lost while
it says again what the server may not have got."""


class CuttingProxy:
    """Forwards everything, and ends each WebSocket after a random number of bytes."""

    def __init__(
        self, url: str, *, seed: int, shortest: int = 40, longest: int = 1_500, settled: float = SETTLED
    ) -> None:
        address = urlsplit(url)
        self._target = (address.hostname, address.port)
        self._random = random.Random(seed)
        self._bounds, self._settled = (shortest, longest), settled
        self._tasks: set[asyncio.Task[None]] = set()
        self._kept_open: list[asyncio.StreamWriter] = []
        self.cuts = self.half_open = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        """Listen, and yield the address."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()
            for task in list(self._tasks):
                task.cancel()
            for writer in self._kept_open:
                writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await self._forward(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        far_writer.write(head)
        line = Line(writer, far_writer, self._random.randint(*self._bounds))
        if b"upgrade: websocket" in head.lower():
            writer.write(await far_reader.readuntil(b"\r\n\r\n"))
            asyncio.get_running_loop().call_later(self._settled, line.arm)
        ways = [asyncio.ensure_future(line.pump(*way)) for way in ((reader, far_writer), (far_reader, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            self.cuts += line.cut
            if line.cut and self.cuts % 2 == 0:
                self.half_open += 1
                self._kept_open.append(far_writer)  # to the server the socket looks alive
            else:
                far_writer.transport.abort()


class Line:
    """One connection through the proxy."""

    def __init__(self, near: asyncio.StreamWriter, far: asyncio.StreamWriter, left: int) -> None:
        self._near, self._far, self._left = near, far, left
        self._armed = self.cut = False

    def arm(self) -> None:
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
