"""Several servers of one application in this process, on one storage."""

import asyncio
from collections.abc import AsyncIterator, Sized
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Any

from redis.asyncio import Redis

from hubline.runs import FinishedRun, Run, Runs
from tests.runs.storages import Storage, log_at
from tests.valkey import LIMIT, Valkey, until

Words = asyncio.Queue[str | None]


class Fleet:
    """Servers of one application, and what its `on_end` was told, server by server."""

    def __init__(self, url: str, lease: float) -> None:
        self.url, self.lease = url, lease
        self.ends: list[tuple[int, str, str, str]] = []
        self.logs: list[Any] = []
        self.runs: list[Runs] = []

    def add(self, **settings: Any) -> Runs:
        number = len(self.runs)

        async def on_end(run: FinishedRun) -> None:
            self.ends.append((number, run.info.id, run.info.state, run.text))

        log = log_at(self.url, lease=self.lease, entries=settings.pop("entries", 4_096))
        runs = Runs(log=log, on_end=on_end, **{"merge": 0, "drain": 0, **settings})
        self.logs.append(log)
        self.runs.append(runs)
        return runs

    def restartable(self, function: Any) -> None:
        """Every server may call this function again, for runs of others too."""
        for runs in self.runs:
            runs.function(restartable=True)(function)

    async def ended(self, count: int) -> bool:
        """Return when `on_end` was told of so many runs; False if of more."""
        await until_told(self.ends, count)
        return len(self.ends) == count

    async def until(self, holds: Any) -> None:
        """Return when something holds that no event tells of."""
        await until_holds(holds)


@asynccontextmanager
async def fleet(server: Valkey | Storage, count: int = 2, lease: float = 10.0, **settings: Any) -> AsyncIterator[Fleet]:
    if server.url.startswith("redis:"):
        async with Redis.from_url(server.url) as redis:
            await redis.flushall()
    servers = Fleet(server.url, lease)
    async with AsyncExitStack() as stack:
        for _ in range(count):
            runs = servers.add(**settings)
            stack.push_async_callback(runs.drain)
        yield servers


async def until_holds(holds: Any) -> None:
    async def asked() -> bool:
        found = holds()
        return bool(await found if asyncio.iscoroutine(found) else found)

    await until(asked)


async def say(run: Run, words: "asyncio.Queue[str | None]") -> None:
    while (word := await words.get()) is not None:
        await run.text(word)


def text(items: list[dict[str, Any]]) -> str:
    return "".join(item["text"] for item in items if item["kind"] == "text")


async def to_the_end(runs: Runs, run_id: str) -> list[dict[str, Any]]:
    async with asyncio.timeout(LIMIT):
        return [item async for item in runs.attach(run_id)]


async def are_watching(runs: Runs, run_id: str, count: int) -> bool:
    """Whether a run has so many viewers, those of other servers with them."""
    return (await runs.info(run_id)).viewers == count


async def until_told(ends: Sized, count: int) -> None:
    """Return when `on_end` was told of so many runs: viewers may have the end before."""

    async def told() -> bool:
        return len(ends) >= count

    await until(told)


class Gate:
    """Holds up what comes to it."""

    def __init__(self) -> None:
        self.reached, self.open = asyncio.Event(), asyncio.Event()

    async def passed(self) -> None:
        self.reached.set()
        await self.open.wait()


async def take_over(servers: Fleet, run_id: str) -> None:
    """The second server takes over a run of the first, which does not know it yet."""
    first, second, *_ = servers.logs
    await second.about("")  # connects
    fence = await second._leases._members.adopt(run_id, first.node, second.node)
    await second._adopt(run_id, fence)


async def asks(run: Run) -> None:
    await run.text("yes" if await run.ask("Go on?", schema=bool) else "no")


async def restarted(run: Run) -> None:
    await run.text(f"call {run.attempt} ")
    await asyncio.Event().wait()


async def open_question(runs: Runs, run_id: str) -> str:
    async with asyncio.timeout(LIMIT), aclosing(runs.attach(run_id)) as items:
        async for item in items:
            if item["kind"] == "ask":
                return str(item["askId"])
    raise AssertionError("it ended")


async def is_in(runs: Runs, run_id: str, state: str) -> bool:
    return (await runs.info(run_id)).state == state


async def until_in(servers: Fleet, run_id: str, state: str) -> None:
    for runs in servers.runs:
        await servers.until(lambda runs=runs: is_in(runs, run_id, state))
