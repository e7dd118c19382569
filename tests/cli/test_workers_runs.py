"""Runs of `hubline run --workers`: any worker serves any of them, and those of a worker that goes are continued."""

import asyncio
import os
import signal
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import Running, hubline
from tests.cli.test_workers import Client, ended, on_each_worker
from tests.valkey import until

RUNS = """
import asyncio, os
from hubline import HubApp, HubOptions
from hubline.runs import FinishedRun, MemoryBudget, Run, RunLimits, Runs, RunsHub

async def on_end(run: FinishedRun) -> None:
    line = f"{run.info.id}|{run.info.state}|{run.text}\\n".encode()
    ends = os.open("ends", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(ends, line)
    os.close(ends)

runs = Runs(on_end=on_end, drain=0.5, limits=RunLimits(per_starter=1_000))

@runs.function(restartable=True)
async def count(run: Run, last: int) -> None:
    written = "".join(part["text"] for part in run.parts).split()
    for number in range(len(written), last):
        await run.text(f"{number} ")
        while number == 9 and not os.path.exists("go on"):
            await asyncio.sleep(0.05)

@runs.function(budget=MemoryBudget(10))
async def pay(run: Run) -> None:
    await run.charge(6)

@runs.function
async def pay_by_name(run: Run) -> None:
    await run.charge(6)

class Assistant(RunsHub, runs=runs):
    async def pay_by_name(self) -> str:
        return (await (await runs.start(pay_by_name, starter="ada", budget=MemoryBudget(10, name="a"))).wait()).state
    async def pay(self) -> str:
        return (await (await runs.start(pay, starter="ada")).wait()).state
    async def pid(self) -> int:
        return os.getpid()
    async def begin(self, count_to: int, many: int) -> list[str]:
        return [(await self.runs.start(count, count_to)).id for _ in range(many)]

app = HubApp({"/chat": Assistant}, options=HubOptions(maximum_streams=200), on_drain=runs.drain, drain_timeout=4)
"""

LIMIT = 100.0


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "served.py").write_text(RUNS)
    return tmp_path


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The directory for temporary files of what is started: with a short name, because there are sockets in it."""
    with tempfile.TemporaryDirectory(prefix="t-") as made:
        monkeypatch.setenv("TMPDIR", made)
        yield Path(made)


def files(directory: Path) -> set[str]:
    return {path.name for path in directory.rglob("*")}


@asynccontextmanager
async def serving(directory: Path) -> AsyncIterator[tuple[Running, dict[int, Client]]]:
    """Two workers, and a client at each, by the worker's process."""
    async with asyncio.timeout(LIMIT), AsyncExitStack() as stack:
        running = await stack.enter_async_context(hubline(directory, "run", "served:app", "--port=0", "--workers=2"))
        yield running, await on_each_worker(stack, await running.url(), 2)


class Watched:
    """The streams of many runs, all on the connection of one client."""

    def __init__(self, client: Client, ids: list[str]) -> None:
        self._client, self._left = client, set(ids)
        self.texts: dict[str, str] = defaultdict(str)
        self.states: dict[str, str] = {}
        for run_id in ids:
            client.send({"type": 4, "invocationId": run_id, "target": "AttachRun", "arguments": [run_id, None]})

    async def until(self, holds: Any) -> None:
        """Read until something holds."""
        while not holds():
            message = await self._client.read()
            if message["type"] == 2:
                self._take(message["invocationId"], message["item"])
            elif message["type"] == 3:
                assert "error" not in message, message
                self._left.discard(message["invocationId"])

    async def to_the_end(self) -> None:
        await self.until(lambda: not self._left)

    def _take(self, run_id: str, item: dict[str, Any]) -> None:
        if item["kind"] == "text":
            self.texts[run_id] += item["text"]
        elif item["kind"] == "snapshot":
            self.texts[run_id] = "".join(part["text"] for part in item["parts"])
        elif item["kind"] == "end":
            self.states[run_id] = item["state"]


def numbers(last: int) -> str:
    return "".join(f"{number} " for number in range(last))


async def told(directory: Path, count: int) -> dict[str, list[str]]:
    """What `on_end` was told of each run, when it was told of so many."""
    path = directory / "ends"

    async def all_are() -> bool:
        return path.exists() and len(path.read_text().splitlines()) >= count

    await until(all_are)
    found: dict[str, list[str]] = defaultdict(list)
    for line in path.read_text().splitlines():
        run_id, _, rest = line.partition("|")
        found[run_id].append(rest)
    return found


@pytest.mark.rule("R29")
async def test_any_worker_attaches_to_lists_and_stops_a_run(directory: Path) -> None:
    async with serving(directory) as (running, clients):
        here, there = clients.values()
        assert [await each.call("Pay") for each in (here, there)] == ["completed", "limited"]  # of one budget
        assert [await each.call("PayByName") for each in (here, there)] == ["completed", "limited"]
        (run_id,) = await here.call("Begin", 20, 1)
        watched = Watched(there, [run_id])
        await watched.until(lambda: watched.texts[run_id] == numbers(10))
        assert (await there.call("RunInfo", run_id))["state"] == "running"
        assert (await there.call("StopRun", run_id))["state"] == "stopped"
        assert (await here.call("RunInfo", run_id))["state"] == "stopped"
        assert (await told(directory, 5))[run_id] == [f"stopped|{numbers(10)}"]
        running.process.terminate()
        assert await running.end() == 0
        assert "memory" not in "".join(running.log)


@pytest.mark.rule("R30", "R31")
async def test_of_a_worker_that_is_killed_under_200_answers_nothing_is_lost_and_nothing_doubled(
    directory: Path,
) -> None:
    async with serving(directory) as (_, clients):
        (victim, here), (_, there) = clients.items()
        ids = await here.call("Begin", 20, 200)
        watched = Watched(there, ids)
        await watched.until(lambda: sum(text == numbers(10) for text in watched.texts.values()) == 200)
        os.kill(victim, signal.SIGKILL)
        (directory / "go on").touch()
        await watched.to_the_end()
        assert set(watched.texts.values()) == {numbers(20)}
        assert watched.states == dict.fromkeys(ids, "completed")
        assert await told(directory, 200) == {run_id: [f"completed|{numbers(20)}"] for run_id in ids}


@pytest.mark.rule("R16")
async def test_when_the_workers_are_replaced_their_successors_go_on(directory: Path) -> None:
    async with serving(directory) as (running, clients):
        here, _ = clients.values()
        ids = await here.call("Begin", 20, 5)
        await Watched(here, ids).until(lambda: here.waiting == [] and len(ids) == 5)
        running.process.send_signal(signal.SIGHUP)
        for _ in clients:
            await running.until("was replaced")
        await ended(clients)
        (directory / "go on").touch()
        assert await told(directory, 5) == {run_id: [f"completed|{numbers(20)}"] for run_id in ids}


@pytest.mark.rule("R16")
async def test_when_all_workers_stop_each_ends_its_runs_and_the_log_is_removed(
    directory: Path, temporary: Path
) -> None:
    async with serving(directory) as (running, clients):
        here, there = clients.values()
        ids = await here.call("Begin", 20, 5)
        watched = Watched(there, ids)
        await watched.until(lambda: sum(text == numbers(10) for text in watched.texts.values()) == 5)
        assert "runs-0.sqlite" in files(temporary)
        running.process.terminate()
        assert await running.end() == 0
        assert await told(directory, 5) == {run_id: [f"interrupted|{numbers(10)}"] for run_id in ids}
        assert files(temporary) == set()
