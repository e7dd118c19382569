"""The reconnect storm: a network or a proxy was down for a moment, and all clients reconnect at once."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from picows import WSHandshakeError

from benchmarks.load.fallbacks import negotiate
from benchmarks.load.http import open_http
from benchmarks.process import HOST
from benchmarks.rows.measuring import Bench, Clock, Figures, Run, close
from hubline.cli.load import Connection, LoadError, connect

AGAIN = 2.0
"""Seconds until a client that failed tries once more, as `withAutomaticReconnect()` does."""
PATIENCE = 60.0


@asynccontextmanager
async def direct(bench: Bench) -> AsyncIterator[Run]:
    """WebSocket, handshake, and a call that is answered."""
    dialect = bench.server.peer.dialect()
    async with _storm(bench, lambda: connect(bench.server.url, dialect)) as run:
        yield run


@asynccontextmanager
async def negotiated(bench: Bench) -> AsyncIterator[Run]:
    """The same with negotiate before it, on an HTTP connection of its own."""
    dialect, path = bench.server.peer.dialect(), bench.server.peer.path

    async def come() -> Connection:
        client = await open_http(HOST, bench.server.port)
        try:
            token = await negotiate(client, path)
        finally:
            client.close()
        return await connect(f"{bench.server.url}?id={token}", dialect)

    async with _storm(bench, come) as run:
        yield run


@asynccontextmanager
async def _storm(bench: Bench, come: Callable[[], Awaitable[Connection]]) -> AsyncIterator[Run]:
    count, here = bench.settings.storm, list[Connection]()

    async def run(seconds: float) -> Figures:
        """The first time all clients connect; each time after that all are cut off and reconnect."""
        clock, storms, errors = Clock(bench.server), 0, 0
        with clock:
            while clock.seconds < seconds:
                with clock.running():
                    close(here)
                    async with asyncio.TaskGroup() as group:
                        coming = [group.create_task(_served(come)) for _ in range(count)]
                served = [task.result() for task in coming]
                here[:] = [connection for connection, _ in served]
                errors += sum(failed for _, failed in served)
                storms += 1
        return clock.figures(storms * count) | {"last_s": clock.seconds / storms, "errors": errors / storms}

    try:
        yield run
    finally:
        close(here)


async def _served(come: Callable[[], Awaitable[Connection]]) -> tuple[Connection, int]:
    """Connect until a call is answered; returns the number of failures.

    Raises:
        TimeoutError: it did not succeed within a minute.
    """
    failed = 0
    async with asyncio.timeout(PATIENCE):
        while True:
            with contextlib.suppress(OSError, WSHandshakeError, LoadError):
                connection = await come()
                await connection.call("EchoText", "back")
                return connection, failed
            failed += 1
            await asyncio.sleep(AGAIN)
