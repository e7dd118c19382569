"""Streams of tokens: as fast as they come, and at the pace of a model that writes."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from benchmarks.rows.measuring import Bench, Figures, affordable, delivered
from hubline.cli.load import Connection

CALL = "s1"
"""The same id on every connection, so that items are alike."""


async def full_speed(bench: Bench) -> Figures:
    settings = bench.settings
    connections = await bench.connect(settings.streams)
    tried = min(settings.tokens, 500)
    started = time.perf_counter()
    await _stream(bench, connections, tried, "Tokens", tried, settings.token_size)
    tokens = affordable(settings.tokens, 2 * settings.seconds, tried, time.perf_counter() - started)
    figures = await _stream(bench, connections, tokens, "Tokens", tokens, settings.token_size)
    return figures | {"messages": tokens}


async def paced(bench: Bench) -> Figures:
    """Gaps are those between two tokens of a stream, as its client sees them."""
    settings = bench.settings
    connections = await bench.connect(settings.paced_streams)
    tokens = max(int(settings.paced_seconds * 1000 / settings.paced_every_ms), 2)
    arguments = ("PacedTokens", tokens, settings.token_size, settings.paced_every_ms)
    await _stream(bench, connections, 5, "PacedTokens", 5, settings.token_size, settings.paced_every_ms)
    gaps: list[float] = []
    for connection in connections:
        _listen(connection, gaps)
    figures = await _stream(bench, connections, tokens, *arguments)
    for connection in connections:
        connection.receive = connection.inbox.receive
    ordered = sorted(gaps)
    shares = {"gap_p50_ms": 0.5, "gap_p99_ms": 0.99}
    return figures | {name: ordered[int(len(ordered) * share)] * 1000 for name, share in shares.items()}


async def _stream(
    bench: Bench, connections: Sequence[Connection], tokens: int, method: str, *arguments: Any
) -> Figures:
    async def ask() -> None:
        ends = [connection.answer(CALL) for connection in connections]
        for connection in connections:
            connection.send(connection.dialect.stream(CALL, method, arguments))
        await asyncio.gather(*ends)

    return await delivered(bench, connections, tokens, ask(), connections[0])


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
        gaps.extend([0.0] * (came - 1))  # two that come together
        last = now

    connection.receive = receive
