"""Servers of runs, in this process and in others, that are killed and frozen."""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from hubline.runs import FinishedRun, Runs
from hubline.runs.redis_budget import RedisBudget
from hubline.testing import ManualClock
from tests.processes import child_process
from tests.runs import answering
from tests.runs.fleet import text, to_the_end, until_told
from tests.runs.storages import Storage, log_at
from tests.valkey import LIMIT, Valkey


def lease(storage: Storage | Valkey) -> float:
    """Seconds. In SQLite a thread renews it, so that a loaded machine loses none."""
    return 0.5 if storage.url.startswith("sqlite:") else 1.0


class Worker:
    """A server of runs in another process."""

    def __init__(self, process: Process) -> None:
        self.process = process

    async def line(self) -> list[str]:
        assert self.process.stdout is not None
        async with asyncio.timeout(LIMIT):
            return (await self.process.stdout.readline()).decode().split()

    async def started(self) -> str:
        """The id of the next run."""
        while (line := await self.line())[0] != "id":
            pass
        return line[1]

    async def heard(self, *words: str) -> None:
        while (line := await self.line()) != [*words]:
            assert line, f"the worker ended without {words}"

    def attach(self, run_id: str) -> None:
        """Watch a run there; it says `attached` then."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"attach {run_id}\n".encode())

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"go\n")


@asynccontextmanager
async def worker(storage: Storage | Valkey, functions: str, **options: Any) -> AsyncIterator[Worker]:
    command = [
        sys.executable,
        "-m",
        "tests.runs.answering",
        storage.url,
        str(lease(storage)),
        functions,
        json.dumps(options),
    ]
    async with child_process(*command, stdin=PIPE, stdout=PIPE) as process:
        yield Worker(process)


class Watching:
    """Servers in this process, and what their `on_end` was told."""

    def __init__(self, storage: Storage | Valkey, clock: ManualClock | None) -> None:
        self.ends: list[tuple[str, str]] = []
        self.budgets: list[RedisBudget] = []
        self.runs = [self._serve(storage, clock) for _ in range(2)]

    def _serve(self, storage: Storage | Valkey, clock: ManualClock | None) -> Runs:
        async def on_end(run: FinishedRun) -> None:
            self.ends.append((run.info.state, run.text))

        runs = Runs(log=log_at(storage.url, lease=lease(storage)), on_end=on_end, merge=0, drain=0, clock=clock)
        runs.function(restartable=True)(answering.counting)
        runs.function(restartable=True)(answering.deadly)
        if storage.url.startswith("redis:"):
            self.budgets.append(RedisBudget(storage.url, 10, lease=lease(storage)))
            runs.function(restartable=True, budget=self.budgets[-1])(answering.paying)
        return runs


@asynccontextmanager
async def watching(storage: Storage | Valkey, clock: ManualClock | None = None) -> AsyncIterator[Watching]:
    """`clock`: of the runs. That of the leases is the machine's."""
    servers = Watching(storage, clock)
    try:
        for runs in servers.runs:
            assert await runs.room_runs("none") == []
        yield servers
    finally:
        for runs in servers.runs:
            await runs.drain()
        for budget in servers.budgets:
            await budget.close()


@asynccontextmanager
async def watching_one(storage: Storage, functions: str = "plain") -> AsyncIterator[tuple[Watching, Worker, str]]:
    """Servers in this process, and one in another that has written the first text of a run, which has this id."""
    async with watching(storage) as servers, worker(storage, functions) as other:
        run_id = await other.started()
        await other.heard("written")
        yield servers, other, run_id


async def kill_and_count_on(servers: Watching, other: Worker, run_id: str) -> None:
    """Kill the server of a run of `counting`: another goes on with what was written, and one tells `on_end`."""
    viewers = [asyncio.create_task(to_the_end(runs, run_id)) for runs in servers.runs]
    other.process.send_signal(signal.SIGKILL)
    for _ in range(2):
        answering.GO.put_nowait("go")
    for items in await asyncio.gather(*viewers):
        assert (text(items), items[-1]["state"]) == ("0 1 2 ", "completed")
    await until_told(servers.ends, 1)
    assert servers.ends == [("completed", "0 1 2 ")]
