"""A way to Redis or PostgreSQL that can be cut, for a server that alone loses it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Protocol


class Reached(Protocol):
    """A process to which there is a way."""

    async def dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to it. Raises OSError."""

    def url_at(self, port: int) -> str:
        """Its address for somebody who reaches it at a port of this machine."""


class Link:
    """Forwards what comes to its own address, unless it is cut."""

    def __init__(self, server: Reached) -> None:
        self._server = server
        self._is_cut = False
        self._flows = asyncio.Event()
        self._flows.set()
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.url = ""

    def cut(self) -> None:
        self._is_cut = True
        for writer in self._open:
            writer.transport.abort()

    def silence(self) -> None:
        """Nothing gets through, and nobody is told: a network that drops packets. What was sent comes late."""
        self._flows.clear()

    def mend(self) -> None:
        self._is_cut = False
        self._flows.set()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task, writers = asyncio.current_task(), [writer]
        assert task is not None
        self._tasks.add(task)
        try:
            await self._flows.wait()
            if self._is_cut:
                return
            far_reader, far_writer = await self._server.dial()
            writers.append(far_writer)
            self._open |= {writer, far_writer}
            if self._is_cut:  # meanwhile
                return
            await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))
        except OSError:  # the server is away, and this is how one notices
            pass
        except asyncio.CancelledError:  # by `close`; who has called this would log it
            pass
        finally:
            for each in writers:
                each.transport.abort()
            self._open.difference_update(writers)
            self._tasks.discard(task)

    async def close(self) -> None:
        """Nobody is on the way any more."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                await self._flows.wait()
                writer.write(data)
                await writer.drain()
        writer.transport.abort()


@asynccontextmanager
async def link(server: Reached) -> AsyncIterator[Link]:
    """An address of its own for this server."""
    made = Link(server)
    listening = await asyncio.start_server(made.accept, "127.0.0.1", 0)
    made.url = server.url_at(listening.sockets[0].getsockname()[1])
    try:
        yield made
    finally:
        listening.close()
        await made.close()
