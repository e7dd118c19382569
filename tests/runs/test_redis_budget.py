"""A budget of several servers on a real Valkey, and the one in memory."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis.asyncio import Redis

from hubline import BackplaneError, ConfigurationError
from hubline._clock import Clock
from hubline.runs import Budget, MemoryBudget, Run
from hubline.runs.redis_budget import RedisBudget
from hubline.testing import BudgetSuite, ManualClock
from tests.runs.fleet import fleet
from tests.valkey import Valkey, until, valkey
from tests.ways import link

pytestmark = pytest.mark.valkey

TOKENS = "hubline:budgets:{ada}:tokens"


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with valkey() as started:
        yield started


@asynccontextmanager
async def budgets(
    server: Valkey, count: int, limit: int, clock: Clock | None = None
) -> AsyncIterator[list[RedisBudget]]:
    async with Redis.from_url(server.url) as redis:
        await redis.flushall()
    made = [RedisBudget(server.url, limit, clock=clock) for _ in range(count)]
    try:
        yield made
    finally:
        for each in made:
            await each.close()


async def lapse(redis: Redis) -> None:
    """The leases of all servers lapse."""
    names: Any = await redis.hkeys(TOKENS)
    for name in names:
        if name.startswith(b"until:"):
            await redis.hset(TOKENS, name, "1")


class TestMemoryBudget(BudgetSuite):
    @asynccontextmanager
    async def budget(self, limit: int) -> AsyncIterator[Budget]:
        yield MemoryBudget(limit)


class TestRedisBudget(BudgetSuite):
    @pytest.fixture(autouse=True)
    def _server(self, server: Valkey) -> None:
        self.server = server

    @asynccontextmanager
    async def budget(self, limit: int) -> AsyncIterator[Budget]:
        async with budgets(self.server, 1, limit) as (budget,):
            yield budget


def test_settings_that_are_none_are_told() -> None:
    with pytest.raises(ConfigurationError, match=r"limit(?s:.*)window(?s:.*)lease"):
        RedisBudget("redis://localhost", -1, window=0, lease=-1)


@pytest.mark.rule("R26")
async def test_servers_share_an_account(server: Valkey) -> None:
    async with budgets(server, 3, 10) as (one, two, three):
        assert [await one.reserve("ada", 6), await two.reserve("ada", 6), await three.reserve("ada", 6)] == [6, 4, 0]
        assert (await two.charge("ada", 1, reserved=1)).left == 0
        await one.release("ada", 6)
        assert (await three.charge("ada", 2)).left == 4
        other = RedisBudget(server.url, 10, name="other")
        assert await other.reserve("ada", 10) == 10
        await other.close()


@pytest.mark.rule("R26")
async def test_what_a_server_has_reserved_comes_back_when_it_has_gone_and_what_it_charged_does_not(
    server: Valkey,
) -> None:
    async with budgets(server, 2, 10) as (gone, other), Redis.from_url(server.url) as redis:
        assert await gone.reserve("ada", 8) == 8
        await gone.charge("ada", 3, reserved=3)
        assert (await other.charge("ada", 0)).left == 2
        await gone.close()  # without a word, as one that was killed
        await lapse(redis)
        assert (await other.charge("ada", 0)).left == 7


@pytest.mark.rule("R26")
async def test_a_reservation_is_renewed_while_its_server_lives(server: Valkey) -> None:
    clock = ManualClock()
    async with budgets(server, 2, 10, clock) as (one, other), Redis.from_url(server.url) as redis:
        assert await one.reserve("ada", 8) == 8
        await lapse(redis)
        await clock.advance(3)

        async def renewed() -> bool:
            fields: dict[Any, Any] = await redis.hgetall(TOKENS)
            return b"1" not in (value for name, value in fields.items() if name.startswith(b"until:"))

        await until(renewed)
        assert (await other.charge("ada", 0)).left == 2
        assert await redis.pttl(TOKENS) > 0


@pytest.mark.rule("R26", "R32")
async def test_what_is_charged_without_redis_is_counted_once_it_is_back(server: Valkey) -> None:
    async with link(server) as way, budgets(server, 1, 10) as (other,):
        cut_off = RedisBudget(way.url, 10, lease=0.5)
        assert await cut_off.reserve("ada", 4) == 4
        way.cut()
        assert (await cut_off.charge("ada", 3, reserved=3)).left == 6
        assert (await cut_off.charge("ada", 5)).left == 1
        with pytest.raises(BackplaneError):
            await cut_off.reserve("ada", 1)
        await cut_off.release("ada", 1)
        way.mend()

        async def counted() -> bool:
            return (await other.charge("ada", 0)).left == 2

        await until(counted)
        assert (await cut_off.charge("ada", 0)).left == 2  # and told again nothing changes
        await cut_off.close()


@pytest.mark.rule("R26")
async def test_a_new_window_begins_with_nothing_used(server: Valkey) -> None:
    async with budgets(server, 1, 10):
        budget = RedisBudget(server.url, 10, window=0.3)
        await budget.charge("ada", 10)

        async def anew() -> bool:
            return await budget.reserve("ada", 10) == 10

        await until(anew)
        await budget.close()


@pytest.mark.rule("R26")
async def test_runs_on_two_servers_spend_one_budget(server: Valkey) -> None:
    async with fleet(server) as servers, budgets(server, 2, 10) as (one, two):

        async def paying(run: Run) -> None:
            await run.charge(6)
            await run.text("paid")

        first = await servers.runs[0].start(paying, starter="ada", budget=one)
        assert (await first.wait()).state == "completed"
        second = await servers.runs[1].start(paying, starter="ada", budget=two)
        assert (await second.wait()).state == "limited"
