"""Connections that come, and connections that do nothing."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from benchmarks.load.fallbacks import negotiate
from benchmarks.load.http import open_http
from benchmarks.process import HOST
from benchmarks.rows.measuring import Bench, Clock, Figures
from hubline.cli.load import connect

COMING = 64
"""Clients that connect side by side, each again and again."""


async def connects(bench: Bench) -> Figures:
    """WebSocket and handshake, without negotiate."""
    await bench.connect(0)
    dialect = bench.server.peer.dialect()

    async def once() -> None:
        (await connect(bench.server.url, dialect)).close()

    return await _come(bench, [once] * COMING)


async def negotiated(bench: Bench) -> Figures:
    """Negotiate on a connection that is kept, as browsers do; then WebSocket and handshake."""
    await bench.connect(0)
    dialect, path = bench.server.peer.dialect(), bench.server.peer.path
    clients = [await open_http(HOST, bench.server.port) for _ in range(COMING)]

    def once(number: int) -> Callable[[], Awaitable[None]]:
        async def come() -> None:
            token = await negotiate(clients[number], path)
            (await connect(f"{bench.server.url}?id={token}", dialect)).close()

        return come

    figures = await _come(bench, [once(number) for number in range(COMING)])
    for client in clients:
        client.close()
    return figures


async def _come(bench: Bench, ways: list[Callable[[], Awaitable[None]]]) -> Figures:
    await asyncio.gather(*(way() for way in ways))
    clock, made = Clock(bench.server), 0
    clock.start()
    end = time.perf_counter() + bench.settings.seconds

    async def again(way: Callable[[], Awaitable[None]]) -> None:
        nonlocal made
        while time.perf_counter() < end:
            await way()
            made += 1

    await asyncio.gather(*(again(way) for way in ways))
    clock.stop()
    return clock.figures(made)


async def idle(bench: Bench) -> Figures:
    """Memory over the server before anybody came, and CPU while nobody says anything."""
    await bench.connect(1)
    await bench.connect(0)
    await asyncio.sleep(min(1.0, bench.settings.idle_seconds))
    empty = bench.server.resident()
    connections = await bench.connect(bench.settings.idle)
    await asyncio.sleep(min(2.0, bench.settings.idle_seconds))
    clock = Clock(bench.server)
    clock.start()
    await asyncio.sleep(bench.settings.idle_seconds)
    clock.stop()
    memory = bench.server.resident() - empty
    for connection in connections:
        connection.inbox.check()
    figures = clock.figures(1)
    return {
        "bytes_per_connection": memory / len(connections),
        "server_cpu": figures["server_cpu"],
        "client_cpu": figures["client_cpu"],
        "connections": len(connections),
        "empty_bytes": empty,
    }
