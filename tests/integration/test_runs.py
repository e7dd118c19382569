"""Ten thousand short runs over real sockets, which leave nothing behind."""

import asyncio
import random
import sys
from itertools import pairwise

import pytest

from hubline.cli.dialect import SignalR
from hubline.cli.load import Connection, connect
from tests.interop.running import SERVERS, running

AT_ONCE = 16
"""Clients side by side."""


async def watched(connection: Connection, number: int, *, to_the_end: bool) -> None:
    run_id = await connection.call("StartShort", 5, str(number))
    end = connection.answer(f"s{number}") if to_the_end else None
    connection.send(connection.dialect.stream(f"s{number}", "AttachRun", [run_id, None]))
    if end is not None:
        await end


async def many(url: str, numbers: range) -> None:
    """So many runs, by clients of whom each vanishes in the middle of its last."""
    left, chance = iter(numbers), random.Random(1)

    async def some() -> None:
        while True:
            mine = [number for _, number in zip(range(chance.randrange(20, 60)), left, strict=False)]
            if not mine:
                return
            connection = await connect(url, SignalR())
            for number in mine:
                await watched(connection, number, to_the_end=number != mine[-1])
            connection.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(some())


async def counts(url: str) -> dict[str, int]:
    """What the server holds, once all runs have expired."""
    connection = await connect(url, SignalR())
    try:
        async with asyncio.timeout(60):
            while (found := await connection.call("Counts"))["runs"]:
                await connection.call("Expired")
        return dict(found)
    finally:
        connection.close()


GROWTH = 2_000_000
"""Bytes that a process may grow by in its first batches: caches, and what the allocator has not used again yet. With a
leak of 200 bytes a run each batch of the slow test would grow by as much: it goes on until one has not."""


@pytest.mark.rule("R15")
@pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")
@pytest.mark.parametrize("server_name", SERVERS)
@pytest.mark.parametrize(
    ("warm", "number", "batches"),
    [(700, 700, 1), pytest.param(2_000, 10_000, 6, marks=[pytest.mark.slow, pytest.mark.timeout(300)])],
)
async def test_many_short_runs_leave_nothing_behind(server_name: str, warm: int, number: int, batches: int) -> None:
    with running("tests.integration.runs_server", "--server", server_name) as address:
        url = f"ws{address.removeprefix('http')}/runs"
        await many(url, range(warm))
        found = [await counts(url)]
        for batch in range(batches):
            first = warm + batch * number
            await many(url, range(first, first + number))
            found.append(await counts(url))
            if found[-1]["resident"] - found[-2]["resident"] < GROWTH:
                break
    assert [each["ended"] for each in found] == [warm + number * batch for batch in range(len(found))]
    same = ("runs", "active", "viewers", "watchers", "rooms", "timers", "tasks", "all_tasks", "descriptors")
    held = [{name: each[name] for name in same} for each in found]
    assert held == [held[0]] * len(held)
    grown = [after["resident"] - before["resident"] for before, after in pairwise(found)]
    assert batches == 1 or min(grown) < GROWTH, f"the process has grown by {grown} bytes"  # one alone says nothing
