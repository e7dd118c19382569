"""Broadcasts to many: in one go, each by itself, and from all clients at once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from benchmarks.rows.measuring import Bench, Figures, Pace, Run, connected, repeated
from hubline.cli.load import Connection


@asynccontextmanager
async def burst(bench: Bench) -> AsyncIterator[Run]:
    """All in one go, so that joining can show."""
    settings = bench.settings
    async with connected(bench, settings.recipients) as connections:
        yield sending(bench, connections, "Broadcast", settings.broadcasts, settings.message_size)


@asynccontextmanager
async def long(bench: Bench) -> AsyncIterator[Run]:
    """Many more in one go, to fewer."""
    settings = bench.settings
    async with connected(bench, settings.callers) as connections:
        yield sending(bench, connections, "Broadcast", settings.long_broadcasts, settings.message_size)


@asynccontextmanager
async def paced(bench: Bench) -> AsyncIterator[Run]:
    """Each in a turn of the event loop of its own."""
    settings = bench.settings
    async with connected(bench, settings.recipients) as connections:
        yield sending(bench, connections, "BroadcastApart", settings.broadcasts, settings.message_size)


@asynccontextmanager
async def everybody(bench: Bench) -> AsyncIterator[Run]:
    """Each has one call in flight, and each call is a broadcast to all."""
    async with connected(bench, bench.settings.callers) as connections:
        yield calling(bench, connections, connections, "SendMessage", "alice")


def calling(
    bench: Bench, senders: Sequence[Connection], recipients: Sequence[Connection], method: str, first: str
) -> Run:
    """Each sender has one call in flight, each call is a message to every recipient: `method(first, text)`."""
    pace, text = Pace(bench.settings.broadcasts), "x" * bench.settings.message_size

    async def call(connection: Connection, calls: int) -> None:
        for _ in range(calls):
            await connection.call(method, first, text)

    async def go(calls: int) -> None:
        await asyncio.gather(*(call(each, calls) for each in senders))

    async def run(seconds: float) -> Figures:
        return await repeated(bench, recipients, seconds, pace, go, each=len(senders))

    return run


def sending(bench: Bench, connections: Sequence[Connection], method: str, most: int, size: int) -> Run:
    """Calls of a method that sends to all, `most` messages at a time; a slow server gets requests for fewer."""
    pace, go = Pace(most), _caller(bench, connections[0], method, size)

    async def run(seconds: float) -> Figures:
        return await repeated(bench, connections, seconds, pace, go)

    return run


def _caller(bench: Bench, control: Connection, method: str, size: int) -> Callable[[int], Awaitable[object]]:
    async def one_by_one(messages: int) -> None:
        for _ in range(messages):
            await control.call("SendMessage", "alice", "x" * size)

    async def at_once(messages: int) -> None:
        await control.call(method, messages, size)

    apart = method == "BroadcastApart" and bench.server.peer.calls_for_broadcasts
    return one_by_one if apart else at_once
