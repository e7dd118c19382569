"""A Valkey in cluster mode that has all slots: it refuses whatever touches two of them at once."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis

from hubline.limits import Quotas, Tier
from hubline.limits.redis_usage import RedisUsage
from hubline.runs import Run
from hubline.runs.redis_budget import RedisBudget
from tests.runs.fleet import fleet, text, to_the_end
from tests.valkey import Valkey, until, valkey

pytestmark = pytest.mark.valkey


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with valkey("--cluster-enabled", "yes") as started:
        yield started


@asynccontextmanager
async def with_all_slots(server: Valkey) -> AsyncIterator[Redis]:
    async with Redis.from_url(server.url, decode_responses=True) as redis:
        await redis.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16_383)  # type: ignore[no-untyped-call]

        async def ready() -> bool:
            return "cluster_state:ok" in str(await redis.execute_command("CLUSTER", "INFO"))  # type: ignore[no-untyped-call]

        await until(ready)
        yield redis


@pytest.mark.rule("R34")
async def test_every_script_keeps_to_one_slot_and_everything_expires(server: Valkey) -> None:
    async with with_all_slots(server) as redis, fleet(server, entries=8, on_busy="queue", keep=60) as servers:
        first, second = servers.runs
        budget, usage = RedisBudget(server.url, 1_000), RedisUsage(server.url)

        async def count(run: Run, most: int) -> None:
            for number in range(most):
                await run.text(f"{number} ")
            await run.charge(most)

        for room in ("r", "", "a}b", "{"):
            started = [
                await runs.start(count, 20, room=room, starter="al{ice", key=room, budget=budget)
                for runs in servers.runs
            ]
            assert len({run.id for run in started}) == 1
            waiting = await second.start(count, 3, room=room, starter="}", budget=budget)
            for runs in servers.runs:
                assert text(await to_the_end(runs, waiting.id)) == "0 1 2 "
            assert {info.id for info in await first.room_runs(room)} == {waiting.id, started[0].id}
        async with Quotas(usage, questions=usage).question("ada", Tier("t", questions_at_once=1)) as question:
            await question.spend(1)
        assert await servers.ended(8)
        names = [name async for name in redis.scan_iter("*")]
        assert len(names) >= 20
        found = await asyncio.gather(*(redis.pttl(name) for name in names))
        assert [name for name, left in zip(names, found, strict=True) if left == -1] == []
        for each in (budget, usage):
            await each.close()
