"""Servers on one storage, each a process that can be killed, frozen, stopped in good order, and started again."""

import asyncio
import os
import random
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import httpx

from tests.chaos.ledger import Apart, gate_of
from tests.chaos.states import LAST
from tests.chaos.storage import Open, Shared, in_redis, states
from tests.interop.running import FAULTS, ROOT
from tests.valkey import LIMIT, until
from tests.ways import Link, link

LEASE = 1.0
"""Seconds."""

LEDGER = "ledger"
"""The name of the file."""


class Place(NamedTuple):
    """Where a server runs: its address of the storage, its own host, and what it is started by."""

    storage: str
    host: str = "127.0.0.1"
    command: tuple[str, ...] = ()


class Member:
    """One server. It keeps its port when it is started again."""

    def __init__(self, port: int, environment: dict[str, str], log: Path, place: Place) -> None:
        self.port, self.url = port, f"http://{place.host}:{port}"
        self._environment = environment | {"CHAOS_STORAGE": place.storage, "CHAOS_HOST": place.host}
        self._log, self._command = log, list(place.command)
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Return when it is ready."""
        command = (*self._command, sys.executable, "-m", "tests.chaos.server")
        self._process = await self._started(*command, CHAOS_PORT=str(self.port))
        await until(self.ready)

    async def _started(self, *command: str, **environment: str) -> asyncio.subprocess.Process:
        with self._log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *command, cwd=ROOT, env=os.environ | self._environment | environment, stdout=log, stderr=log
            )

    async def ready(self) -> bool:
        assert self._process is not None
        assert (status := self._process.returncode) is None, f"the server ended with {status}:\n{self.log}"
        return await is_ready(self.url)

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    async def kill(self) -> None:
        """At once. Again does nothing."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def stop(self) -> None:
        """As a deploy does: it drains, and must end in good order."""
        assert self._process is not None
        self._process.terminate()
        async with asyncio.timeout(LIMIT):
            assert await self._process.wait() == 0, self.log

    async def states(self) -> None:
        """Have it write to its log what it waits for, unless it has ended or is frozen."""
        if self._process is None or self._process.returncode is not None:
            return
        told = self.log.count(LAST)
        self.send(signal.SIGUSR1)
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                while self.log.count(LAST) == told:  # noqa: ASYNC110
                    await asyncio.sleep(0.1)

    @property
    def log(self) -> str:
        return self._log.read_text("utf-8")


async def is_ready(url: str) -> bool:
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=2) as http:
            return (await http.get(f"{url}/readyz")).status_code == 200
    except httpx.HTTPError:
        return False


class Fleet:
    """Servers that share a storage. `seed` decides what happens to them, and `random` what clients do meanwhile."""

    def __init__(self, storage: str, members: Sequence[Member], directory: Path, seed: int) -> None:
        """`storage` is the address at which a test looks into it. In `directory` is the ledger."""
        self.members, self.ledger, self._storage = members, directory / LEDGER, storage
        self.apart: list[Apart] = []
        """When a server and the storage were cut off or the storage was away, with the longest pause before it connects
        again."""
        self.failed: list[Apart] = []
        """The same, and when a server was frozen, or killed: the moment of that."""
        self.seed, self.seeded, self.random = seed, random.Random(seed), random.Random(seed)
        """Apart: how often clients choose depends on the machine."""

    def any(self) -> Member:
        """The one that a client happens to come to."""
        return self.random.choice(self.members)

    def hold(self) -> None:
        """No answer ends, however long the machine takes for what is to happen to it, until `let_go`."""
        gate_of(self.ledger).unlink()

    def let_go(self) -> None:
        gate_of(self.ledger).touch()

    async def states(self) -> str:
        """What the storage has; what each server waits for is in its log then. For a run that stands still."""
        await asyncio.gather(*(member.states() for member in self.members))
        return await states(self._storage)

    def check_logs(self) -> None:
        """No server may have logged a fault of its own."""
        for member in self.members:
            text = member.log
            assert not FAULTS.search(text), text
            assert "runs were lost: subscribing" not in text, f"only the safety net has found lost news:\n{text}"

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Start the servers, and kill them behind the block. What a failed test needs to be seen again is printed."""
        print(f"seed {self.seed}")
        self.let_go()
        try:
            await asyncio.gather(*(member.start() for member in self.members))
            yield
        except BaseException as error:
            logs = (f"server {number}:\n{member.log}" for number, member in enumerate(self.members))
            error.add_note("\n".join(logs))
            raise
        finally:
            await asyncio.gather(*(member.kill() for member in self.members))


class Servers(Fleet):
    """Servers on a storage that faults happen to as well."""

    def __init__(self, storage: Shared, members: Sequence[Member], directory: Path, seed: int) -> None:
        super().__init__(storage.url, members, directory, seed)
        self.storage = storage
        self.ways: list[Link] = []
        """Each server's own way to the storage."""


@asynccontextmanager
async def fleet(
    seed: int, storage: Callable[[], Open] = in_redis, *, drain: float = 0.0, servers: int = 3
) -> AsyncIterator[Servers]:
    """Running while the block does, on a storage of its own, to which each server has a way that can be cut."""
    async with AsyncExitStack() as stack:
        shared = stack.enter_context(storage())
        ways = [await stack.enter_async_context(link(shared)) for _ in range(servers)]
        made = await stack.enter_async_context(fleet_at([Place(way.url) for way in ways], shared, seed, drain=drain))
        made.ways = ways
        yield made


@asynccontextmanager
async def fleet_at(
    places: Sequence[Place], storage: Shared, seed: int, *, drain: float = 0.0
) -> AsyncIterator[Servers]:
    """The same with a storage that is there."""
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        environment = environment_in(directory, drain)
        members = [
            Member(stack.enter_context(reserved_port()), environment, directory / f"{number}.log", place)
            for number, place in enumerate(places)
        ]
        made = Servers(storage, members, directory, seed)
        async with made.run():
            yield made


def environment_in(directory: Path, drain: float) -> dict[str, str]:
    """The settings of each server, whose ledger, in this directory, is begun."""
    ledger = directory / LEDGER
    ledger.touch()
    return {
        "CHAOS_LEDGER": str(ledger),
        "CHAOS_LEASE": str(LEASE),
        "CHAOS_DRAIN": str(drain),
        "PYTHONFAULTHANDLER": "1",
    }


@contextmanager
def reserved_port() -> Iterator[int]:
    """A port that no other program gets while the block runs: not even while its server is being started again."""
    with socket.socket() as reserved:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reserved.bind(("127.0.0.1", 0))
        yield reserved.getsockname()[1]
