"""Streams of tokens: as fast as they come, and at the pace of a model that writes."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from benchmarks.rows.measuring import Bench, Clock, Figures, Pace, Run, connected, deliver, repeated, settled
from hubline.cli.load import Connection

CALL = "s1"
"""The same id on every connection, so that items are alike."""


@asynccontextmanager
async def full_speed(bench: Bench) -> AsyncIterator[Run]:
    async with connected(bench, bench.settings.streams) as connections:
        yield reading(bench, connections)


def reading(bench: Bench, connections: Sequence[Connection]) -> Run:
    """One stream for each connection, whose tokens are there at once."""
    settings = bench.settings
    pace = Pace(settings.tokens)

    async def go(tokens: int) -> None:
        await _ask(connections, "Tokens", tokens, settings.token_size)

    async def run(seconds: float) -> Figures:
        return await repeated(bench, connections, seconds, pace, go)

    return run


@asynccontextmanager
async def paced(bench: Bench) -> AsyncIterator[Run]:
    """Gaps are those between two tokens of a stream, as its client sees them."""
    settings = bench.settings
    async with connected(bench, settings.paced_streams) as connections:

        async def run(seconds: float) -> Figures:
            tokens = max(int(seconds * 1000 / settings.paced_every_ms), 2)
            gaps: list[float] = []
            for connection in connections:
                _listen(connection, gaps)
            clock = Clock(bench.server)
            with clock:
                ask = _ask(connections, "PacedTokens", tokens, settings.token_size, settings.paced_every_ms)
                await deliver(clock, connections, tokens, ask)
            for connection in connections:
                connection.receive = connection.inbox.receive
            await settled(connections[0])
            ordered = sorted(gaps)
            shares = {"gap_p50_ms": 0.5, "gap_p99_ms": 0.99}
            figures = clock.figures(tokens * len(connections))
            return figures | {name: ordered[int(len(ordered) * share)] * 1000 for name, share in shares.items()}

        yield run


async def _ask(connections: Sequence[Connection], method: str, *arguments: Any) -> None:
    """One stream for each, and wait for the ends."""
    ends = [connection.answer(CALL) for connection in connections]
    for connection in connections:
        connection.send(connection.dialect.stream(CALL, method, arguments))
    await asyncio.gather(*ends)


def _listen(connection: Connection, gaps: list[float]) -> None:
    inbox = connection.inbox
    last = 0.0

    def receive(data: bytes, final: bool) -> None:
        nonlocal last
        before = inbox.counted
        inbox.receive(data, final)
        came = inbox.counted - before
        if came <= 0:
            return
        now = time.perf_counter()
        if last:
            gaps.append(now - last)
        gaps.extend([0.0] * (came - 1))  # two tokens that arrive together
        last = now

    connection.receive = receive
