"""Several servers of one application in this process, on one storage."""

import asyncio
from collections.abc import AsyncIterator, Sized
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from redis.asyncio import Redis

from hubline.runs import FinishedRun, Run, Runs
from tests.runs.storages import Storage, log_at
from tests.valkey import LIMIT, Valkey, until


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
