"""The workers of one machine, `hubline run --workers`, on a log in SQLite; and what happens to them."""

import asyncio
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from tests.chaos.faults import last
from tests.chaos.fleet import Fleet, Member, Place, environment_in
from tests.chaos.ledger import PREFIX, Apart
from tests.chaos.states import LAST
from tests.processes import END
from tests.valkey import until

COUNT = 3


class Machine(Member):
    """One port that workers serve. For its clients it is one server."""

    def __init__(self, directory: Path, environment: dict[str, str], storage: str) -> None:
        super().__init__(0, environment, directory / "log", Place(storage))
        self._directory = directory

    async def start(self) -> None:
        """Return when all workers are ready."""
        arguments = ("run", "tests.chaos.worker:app", "--port=0", f"--workers={COUNT}", "--no-access-log")
        self._process = await self._started(sys.executable, "-m", "hubline.cli.main", *arguments)
        await until(self._has_port)
        await until(self.ready)

    async def ready(self) -> bool:
        return len(self.workers) == COUNT and await super().ready()

    @property
    def workers(self) -> list[int]:
        """The processes of the workers, without those that have ended."""
        known = {int(path.name.removeprefix(PREFIX)) for path in self._directory.glob(f"{PREFIX}*")}
        return sorted(known & set(self._children()))

    @property
    def hub(self) -> int | None:
        """The process of the hub between them."""
        return next((pid for pid in self._children() if pid not in self.workers), None)

    async def kill(self) -> None:
        """With all that it started."""
        if self._process is not None:
            for pid in [self._process.pid, *self._children()]:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            async with asyncio.timeout(END):
                await self._process.wait()

    async def states(self) -> None:
        told, asked = self.log.count(LAST), self.workers
        for pid in asked:
            os.kill(pid, signal.SIGUSR1)
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                while self.log.count(LAST) < told + len(asked):  # noqa: ASYNC110
                    await asyncio.sleep(0.1)

    async def _has_port(self) -> bool:
        if found := re.search(r"Hubline listens on (\S+)", self.log):
            self.url = found[1]
        return found is not None

    def _children(self) -> list[int]:
        """None if it has ended."""
        assert self._process is not None
        try:
            path = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
            return [int(each) for each in path.read_text().split()]
        except FileNotFoundError:
            return []


class Workers(Fleet):
    """A fleet of one machine."""

    def __init__(self, storage: str, machine: Machine, directory: Path, seed: int) -> None:
        super().__init__(storage, [machine], directory, seed)
        self.machine = machine


@asynccontextmanager
async def fleet_of_workers(seed: int) -> AsyncIterator[Workers]:
    """Running while the block does."""
    with tempfile.TemporaryDirectory() as made:
        directory = Path(made)
        storage = f"sqlite:{directory / 'runs.sqlite'}"
        fleet = Workers(storage, Machine(directory, environment_in(directory, 0.0), storage), directory, seed)
        async with fleet.run():
            yield fleet


async def kill_worker(fleet: Workers) -> None:
    pid, since = fleet.seeded.choice(fleet.machine.workers), time.time()
    os.kill(pid, signal.SIGKILL)
    await until(lambda: has_gone(fleet, {pid}))
    fleet.failed.append(Apart(pid, since, time.time()))
    await last(fleet, 3)
    await until(fleet.machine.ready)


async def freeze_worker(fleet: Workers) -> None:
    pid, since = fleet.seeded.choice(fleet.machine.workers), time.time()
    os.kill(pid, signal.SIGSTOP)
    await last(fleet, 4)
    os.kill(pid, signal.SIGCONT)
    fleet.failed.append(Apart(pid, since, time.time()))
    await until(fleet.machine.ready)


async def reload(fleet: Workers) -> None:
    """Every worker is replaced, in good order."""
    before = set(fleet.machine.workers)
    fleet.machine.send(signal.SIGHUP)
    await until(lambda: has_gone(fleet, before))
    await until(fleet.machine.ready)


async def kill_hub(fleet: Workers) -> None:
    await until(lambda: has_hub(fleet))
    assert fleet.machine.hub is not None
    os.kill(fleet.machine.hub, signal.SIGKILL)
    await last(fleet, 2)
    await until(fleet.machine.ready)


async def freeze_hub(fleet: Workers) -> None:
    await until(lambda: has_hub(fleet))
    hub = fleet.machine.hub
    assert hub is not None
    os.kill(hub, signal.SIGSTOP)
    await last(fleet, 3)
    os.kill(hub, signal.SIGCONT)
    await until(fleet.machine.ready)


WORKER_FAULTS = [kill_worker, freeze_worker, reload, kill_hub, freeze_hub]


async def has_gone(fleet: Workers, pids: set[int]) -> bool:
    return not pids & set(fleet.machine.workers)


async def has_hub(fleet: Workers) -> bool:
    return fleet.machine.hub is not None
