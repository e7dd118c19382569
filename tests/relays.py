"""Programs of a test's own process between a client and a server, which leave no connection open."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from typing import TypeAlias

Ends: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Dial: TypeAlias = Callable[[str, int], Awaitable[Ends]]
Serve: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter, Dial], Awaitable[None]]
"""Serves one connection. The last argument connects to a host and a port."""


@asynccontextmanager
async def relay(serve: Serve) -> AsyncIterator[str]:
    """An address where connections are served while the block runs. Then all of them are closed, on both sides.

    A writer that is only dropped is complained of when the garbage collector finds it, in the middle of another test.
    """
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with ExitStack() as opened, suppress(asyncio.CancelledError, asyncio.IncompleteReadError, OSError):
            opened.callback(writer.transport.abort)

            async def dial(host: str, port: int) -> Ends:
                ends = await asyncio.open_connection(host, port)
                opened.callback(ends[1].transport.abort)
                return ends

            await serve(reader, writer, dial)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks)
        await asyncio.sleep(0)  # sockets are closed in the next turn
