"""Ten thousand short runs over real sockets, which leave nothing behind."""

import asyncio
import random
import sys

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
        async with asyncio.timeout(10):
            while (found := await connection.call("Counts"))["runs"]:
                await connection.call("Expired")
        return dict(found)
    finally:
        connection.close()


@pytest.mark.rule("R15")
@pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")
@pytest.mark.parametrize("server_name", SERVERS)
@pytest.mark.parametrize(
    ("warm", "number"), [(300, 700), pytest.param(10_000, 10_000, marks=[pytest.mark.slow, pytest.mark.timeout(300)])]
)
async def test_many_short_runs_leave_nothing_behind(server_name: str, warm: int, number: int) -> None:
    with running("tests.integration.runs_server", "--server", server_name) as address:
        url = f"ws{address.removeprefix('http')}/runs"
        await many(url, range(warm))
        before = await counts(url)
        await many(url, range(warm, warm + number))
        after = await counts(url)
    assert (before["ended"], after["ended"]) == (warm, warm + number)
    same = ("runs", "active", "viewers", "watchers", "rooms", "timers", "tasks", "all_tasks", "descriptors")
    assert {name: after[name] for name in same} == {name: before[name] for name in same}
    grown = after["resident"] - before["resident"]
    assert number < 10_000 or grown < 2_000 * number, f"the process has grown by {grown} bytes"  # few say nothing
