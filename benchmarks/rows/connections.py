"""Connections that come, and connections that do nothing."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from benchmarks.load.fallbacks import negotiate
from benchmarks.load.http import open_http
from benchmarks.process import HOST
from benchmarks.rows.measuring import Bench, Clock, Figures, Run, Warm, check
from hubline.cli.load import connect

COMING = 64
"""Clients that connect side by side, each again and again."""


@asynccontextmanager
async def connects(bench: Bench) -> AsyncIterator[Run]:
    """WebSocket and handshake, without negotiate."""
    dialect = bench.server.peer.dialect()

    async def once() -> None:
        (await connect(bench.server.url, dialect)).close()

    yield _coming(bench, [once] * COMING)


@asynccontextmanager
async def negotiated(bench: Bench) -> AsyncIterator[Run]:
    """Negotiate on a connection that is kept, as browsers do; then WebSocket and handshake."""
    dialect, path = bench.server.peer.dialect(), bench.server.peer.path
    clients = [await open_http(HOST, bench.server.port) for _ in range(COMING)]

    def once(number: int) -> Callable[[], Awaitable[None]]:
        async def come() -> None:
            token = await negotiate(clients[number], path)
            (await connect(f"{bench.server.url}?id={token}", dialect)).close()

        return come

    try:
        yield _coming(bench, [once(number) for number in range(COMING)])
    finally:
        for client in clients:
            client.close()


def _coming(bench: Bench, ways: list[Callable[[], Awaitable[None]]]) -> Run:
    async def again(way: Callable[[], Awaitable[None]], end: float) -> int:
        made = 0
        while not made or time.perf_counter() < end:
            await way()
            made += 1
        return made

    async def run(seconds: float) -> Figures:
        clock = Clock(bench.server)
        with clock, clock.running():
            end = time.perf_counter() + seconds
            made = await asyncio.gather(*(again(way, end) for way in ways))
        return clock.figures(sum(made))

    return run


async def idle(bench: Bench, warm: Warm) -> Figures:
    """Memory beyond that of the server without connections, and CPU without messages.

    The server is not warmed, because a server that has worked has grown.
    """
    await bench.connect(1)
    await bench.connect(0)
    await asyncio.sleep(min(1.0, bench.settings.idle_seconds))
    empty = bench.server.resident()
    connections = await bench.connect(bench.settings.idle)
    await asyncio.sleep(min(2.0, bench.settings.idle_seconds))
    clock = Clock(bench.server)
    with clock, clock.running():
        await asyncio.sleep(bench.settings.idle_seconds)
    memory = bench.server.resident() - empty
    check(connections)
    await bench.connect(0)
    figures = clock.figures(1)
    return {
        "bytes_per_connection": memory / bench.settings.idle,
        "server_cpu": figures["server_cpu"],
        "client_cpu": figures["client_cpu"],
        "connections": bench.settings.idle,
        "empty_bytes": empty,
    }
