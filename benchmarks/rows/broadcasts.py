"""Broadcasts to many: in one go, and each by itself."""

import time

from benchmarks.rows.measuring import Bench, Figures, affordable, delivered
from hubline.cli.load import Connection, Session

QUICK_TRY = 0.1
"""Seconds: who needs longer for one broadcast is spared the ten that warm up the others."""


async def burst(bench: Bench) -> Figures:
    """All in one go, so that joining can show."""
    connections = await bench.connect(bench.settings.recipients)
    return await measure(bench, connections, "Broadcast")


async def paced(bench: Bench) -> Figures:
    """Each in a turn of the event loop of its own."""
    connections = await bench.connect(bench.settings.recipients)
    return await measure(bench, connections, "BroadcastApart")


async def measure(
    bench: Bench, sessions: list[Connection], method: str, *, messages: int = 0, size: int = 0
) -> Figures:
    """Tries that warm up and tell how many messages a slow server can send in time, and then these."""
    settings = bench.settings
    size = size or settings.message_size
    messages = messages or settings.broadcasts
    for tried in (1, min(messages, 10)):
        started = time.perf_counter()
        await delivered(bench, sessions, tried, _send(bench, sessions[0], method, tried, size), sessions[0])
        took = time.perf_counter() - started
        if took > QUICK_TRY:
            break
    messages = affordable(messages, 2 * settings.seconds, tried, took)
    figures = await delivered(bench, sessions, messages, _send(bench, sessions[0], method, messages, size), sessions[0])
    return figures | {"messages": messages}


async def _send(bench: Bench, control: Session, method: str, messages: int, size: int) -> None:
    if method == "BroadcastApart" and bench.server.peer.calls_for_broadcasts:
        for _ in range(messages):
            await control.call("SendMessage", "alice", "x" * size)
    else:
        await control.call(method, messages, size)
