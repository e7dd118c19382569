"""`on_end` on several servers: at least once, and once unless a server goes while it is in it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis

from hubline import BackplaneError
from hubline.runs import FinishedRun, Run, Runs, telling
from hubline.runs.memory_budget import MemoryBudget
from hubline.runs.record import Record
from hubline.runs.redis_keys import owned_key
from hubline.runs.redis_log import RedisRunLog
from tests.runs.fleet import until_told
from tests.valkey import Valkey, valkey
from tests.ways import Link, link

pytestmark = pytest.mark.valkey

LEASE = 0.5
Ends = list[tuple[str, str, str]]


@pytest.fixture
def server() -> Iterator[Valkey]:
    with valkey() as started:
        yield started


class SlowBudget(MemoryBudget):
    """Between the end of a run and its `on_end`, what was reserved is given back: here something can happen."""

    def __init__(self) -> None:
        super().__init__(100)
        self.releasing, self.released = asyncio.Event(), asyncio.Event()

    async def release(self, account: str, tokens: int) -> None:
        self.releasing.set()
        await self.released.wait()
        await super().release(account, tokens)


async def answer(run: Run) -> None:
    await run.text("x")


@asynccontextmanager
async def servers(server: Valkey, ends: Ends, lease: float = LEASE) -> AsyncIterator[tuple[Link, Runs, Runs]]:
    """One that reaches Redis through a link, and one that always does."""

    def serve(name: str, url: str) -> Runs:
        async def on_end(run: FinishedRun) -> None:
            ends.append((name, run.info.state, run.text))

        return Runs(log=RedisRunLog(url, lease=lease), on_end=on_end, merge=0, drain=0)

    async with link(server) as way:
        cut_off, other = serve("cut off", way.url), serve("other", server.url)
        await other.room_runs("none")  # which joins the others
        try:
            yield way, cut_off, other
        finally:
            await cut_off.drain()
            await other.drain()


async def ended(runs: Runs) -> tuple[SlowBudget, Record]:
    """Start a run and return when its end is written, and `on_end` not yet called: that waits for the budget."""
    budget = SlowBudget()
    run = await runs.start(answer, budget=budget)
    await budget.releasing.wait()
    return budget, runs._records[run.id]


@pytest.mark.rule("R15", "R30")
async def test_a_server_that_was_away_does_not_call_on_end_for_a_run_that_another_has_taken_over(
    server: Valkey,
) -> None:
    ends: Ends = []
    async with servers(server, ends) as (way, cut_off, _):
        budget, record = await ended(cut_off)
        way.cut()
        await until_told(ends, 1)
        budget.released.set()
        way.mend()
        await record.stored.wait()
        assert ends == [("other", "completed", "x")]


@pytest.mark.rule("R15", "R30")
async def test_a_server_that_comes_back_in_time_calls_on_end_itself(server: Valkey) -> None:
    ends: Ends = []
    async with servers(server, ends, lease=60.0) as (way, cut_off, _):
        budget, record = await ended(cut_off)
        way.cut()
        budget.released.set()
        way.mend()
        await record.stored.wait()
        assert ends == [("cut off", "completed", "x")]


@pytest.mark.rule("R16", "R30")
async def test_a_server_that_stops_says_that_on_end_was_called_though_its_next_attempt_would_be_later(
    server: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends: Ends = []
    monkeypatch.setattr(telling, "pause", lambda attempt: 3_600.0)
    async with servers(server, ends, lease=60.0) as (_, cut_off, _):
        log, failed = cut_off._settings.log, asyncio.Event()
        settle = log.settle

        async def settled(run_id: str, *, fence: int = 1) -> None:
            if not failed.is_set():
                failed.set()
                raise BackplaneError("Redis is away")
            await settle(run_id, fence=fence)

        monkeypatch.setattr(log, "settle", settled)
        await (await cut_off.start(answer)).wait()
        await failed.wait()
        assert isinstance(log, RedisRunLog)
        owned = owned_key(log.node)
        await cut_off.drain()
        async with Redis.from_url(server.url) as redis:
            assert await redis.smembers(owned) == set(), "another server would call on_end again"
        assert ends == [("cut off", "completed", "x")]


@pytest.mark.rule("R16", "R30")
async def test_a_server_that_stops_while_redis_is_away_calls_on_end(server: Valkey) -> None:
    ends: Ends = []
    async with servers(server, ends) as (way, cut_off, _):
        budget, record = await ended(cut_off)
        way.cut()
        budget.released.set()
        await cut_off.drain()
        assert record.stored.is_set()
        assert ("cut off", "completed", "x") in ends
