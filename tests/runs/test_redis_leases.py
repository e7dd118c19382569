"""A server of runs that is killed or frozen: another takes its runs over, exactly once."""

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis.asyncio import Redis

from hubline.runs import FinishedRun, Run, Runs
from hubline.runs.redis_log import RedisRunLog
from tests.runs import redis_worker
from tests.valkey import LIMIT, Valkey, until, valkey

pytestmark = pytest.mark.valkey

LEASE = 1.0
"""Seconds."""


@pytest.fixture
def server() -> Iterator[Valkey]:
    with valkey() as started:
        yield started


class Worker:
    """A server of runs in another process."""

    def __init__(self, process: Process) -> None:
        self.process = process

    async def line(self) -> list[str]:
        assert self.process.stdout is not None
        async with asyncio.timeout(LIMIT):
            return (await self.process.stdout.readline()).decode().split()

    async def heard(self, *words: str) -> None:
        while (line := await self.line()) != [*words]:
            assert line, f"the worker ended without {words}"

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"go\n")


@asynccontextmanager
async def worker(server: Valkey, function: str) -> AsyncIterator[Worker]:
    command = [sys.executable, "-m", "tests.runs.redis_worker", server.url, str(LEASE), function]
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
    try:
        yield Worker(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


class Watching:
    """Servers in this process, and what their `on_end` was told."""

    def __init__(self, server: Valkey) -> None:
        self.ends: list[tuple[str, str]] = []
        self.runs = [self._serve(server) for _ in range(2)]

    def _serve(self, server: Valkey) -> Runs:
        async def on_end(run: FinishedRun) -> None:
            self.ends.append((run.info.state, run.text))

        runs = Runs(log=RedisRunLog(server.url, lease=LEASE), on_end=on_end, merge=0, drain=0)
        runs.function(restartable=True)(redis_worker.counting)
        runs.function(restartable=True)(redis_worker.deadly)
        return runs


@asynccontextmanager
async def watching(server: Valkey) -> AsyncIterator[Watching]:
    servers = Watching(server)
    try:
        for runs in servers.runs:
            assert await runs.room_runs("none") == []
        yield servers
    finally:
        for runs in servers.runs:
            await runs.drain()


def text(items: list[dict[str, Any]]) -> str:
    return "".join(item["text"] for item in items if item["kind"] == "text")


async def to_the_end(runs: Runs, run_id: str) -> list[dict[str, Any]]:
    async with asyncio.timeout(LIMIT):
        return [item async for item in runs.attach(run_id)]


@pytest.mark.rule("R30")
async def test_exactly_one_server_ends_the_runs_of_one_that_was_killed(server: Valkey) -> None:
    async with watching(server) as servers, worker(server, "plain") as other:
        (_, run_id), _ = await other.line(), await other.line()
        viewers = [asyncio.create_task(to_the_end(runs, run_id)) for runs in servers.runs]
        other.process.send_signal(signal.SIGKILL)
        for items in await asyncio.gather(*viewers):
            assert (text(items), items[-1]["state"]) == ("one ", "interrupted")
        infos = [await runs.info(run_id) for runs in servers.runs]
        assert [info.state for info in infos] == ["interrupted", "interrupted"]
        assert servers.ends == [("interrupted", "one ")]


@pytest.mark.rule("R30")
async def test_a_function_that_may_be_called_again_goes_on_with_what_was_written(server: Valkey) -> None:
    async with watching(server) as servers, worker(server, "counting") as other:
        (_, run_id), _ = await other.line(), await other.line()
        viewers = [asyncio.create_task(to_the_end(runs, run_id)) for runs in servers.runs]
        other.process.send_signal(signal.SIGKILL)
        for _ in range(2):
            redis_worker.GO.put_nowait("go")
        for items in await asyncio.gather(*viewers):
            assert (text(items), items[-1]["state"]) == ("0 1 2 ", "completed")
        assert servers.ends == [("completed", "0 1 2 ")]


@pytest.mark.rule("R30")
async def test_a_run_that_kills_its_server_kills_three_of_them(server: Valkey) -> None:
    async with worker(server, "deadly") as first:
        (_, run_id), _ = await first.line(), await first.line()
        first.process.send_signal(signal.SIGKILL)
        for _ in range(2):
            async with worker(server, "nothing") as following:
                await following.heard("written")
                following.process.send_signal(signal.SIGKILL)
        async with watching(server) as servers:
            items = await to_the_end(servers.runs[0], run_id)
            assert (text(items), items[-1]["state"]) == ("attempt 1 attempt 2 attempt 3 ", "interrupted")
            assert servers.ends == [("interrupted", "attempt 1 attempt 2 attempt 3 ")]


@pytest.mark.rule("R31")
async def test_a_frozen_server_that_wakes_up_cannot_write(server: Valkey) -> None:
    async with watching(server) as servers, worker(server, "plain") as other:
        (_, run_id), _ = await other.line(), await other.line()
        other.process.send_signal(signal.SIGSTOP)
        items = await to_the_end(servers.runs[0], run_id)
        assert items[-1]["state"] == "interrupted"
        other.go()
        other.process.send_signal(signal.SIGCONT)
        assert await other.line() == ["function", "ended"]  # it wrote nothing
        assert [item["kind"] for item in await to_the_end(servers.runs[1], run_id)] == ["text", "live", "end"]
        assert servers.ends == [("interrupted", "one ")]


@pytest.mark.rule("R31")
async def test_the_function_of_a_frozen_server_that_wakes_up_is_cancelled(server: Valkey) -> None:
    async with watching(server) as servers, worker(server, "plain") as other:
        (_, run_id), _ = await other.line(), await other.line()
        other.process.send_signal(signal.SIGSTOP)
        await to_the_end(servers.runs[0], run_id)
        other.process.send_signal(signal.SIGCONT)
        assert await other.line() == ["function", "ended"]  # though it does not try to write


@pytest.mark.rule("R34")
async def test_keys_are_named_as_documented_and_outlive_a_silent_run_but_not_its_end(server: Valkey) -> None:
    log = RedisRunLog(server.url, lease=0.05)
    runs = Runs(log=log, keep=0.3, drain=0)
    go = asyncio.Event()

    async def silent(run: Run) -> None:
        await run.text("a ")
        await go.wait()
        await run.text("b ")

    async with Redis.from_url(server.url, decode_responses=True) as redis:
        run = await runs.start(silent, room="r", starter="alice")
        own = f"hubline:runs:{{{run.id}}}:"
        names = {name async for name in redis.scan_iter("*")}
        assert {own + "state", "hubline:rooms:{r}:runs", "hubline:starters:{user alice}:runs"} <= names
        assert all(
            name.startswith(("hubline:runs:{", "hubline:rooms:{", "hubline:nodes", "hubline:starters:{"))
            for name in names
        )

        times = await redis.pttl(own + "state")
        asked = 0

        async def renewed() -> bool:
            nonlocal times, asked
            before, times = times, await redis.pttl(own + "state")
            asked += times > before
            return asked >= 10

        await until(renewed)
        assert await redis.exists(own + "log") == 1
        go.set()
        await run.wait()

        async def gone() -> bool:
            return {name async for name in redis.scan_iter("*")} <= {"hubline:nodes", *left(log)}

        await until(gone)
    await runs.drain()


def left(log: RedisRunLog) -> list[str]:
    """What a server has as long as it lives."""
    return [f"hubline:nodes:{{{log.node}}}:lease"]
