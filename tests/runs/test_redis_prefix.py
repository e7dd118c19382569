"""Two applications on one Redis, kept apart by their prefixes."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import date

import pytest
from redis import Redis as BlockingRedis
from redis.asyncio import Redis

from hubline import ConfigurationError, HubError
from hubline.backplanes.redis_connections import key_slot
from hubline.limits.redis_usage import RedisUsage
from hubline.runs import Run, Runs
from hubline.runs.redis_budget import RedisBudget
from hubline.runs.redis_log import RedisRunLog
from tests.runs.fleet import until_holds
from tests.runs.test_redis_cluster import allow, rights
from tests.valkey import LIMIT, Valkey, valkey

pytestmark = pytest.mark.valkey

TODAY = date(2026, 11, 25)


@pytest.fixture(scope="module")
def started() -> Iterator[Valkey]:
    with valkey() as server:
        yield server


@pytest.fixture
def server(started: Valkey) -> Valkey:
    with BlockingRedis.from_url(started.url) as redis:
        redis.flushall()
    return started


@asynccontextmanager
async def application(url: str, prefix: str, lease: float = 10.0) -> AsyncIterator[Runs]:
    runs = Runs(log=RedisRunLog(url, prefix=prefix, lease=lease), merge=0, drain=0)
    try:
        yield runs
    finally:
        await runs.drain()


async def begun_in_a_room(runs: Runs) -> str:
    """A run that goes on until it is stopped, and another that waits behind it."""
    ids = [(await runs.start(lasting, room="r", starter="ada", key=key, on_busy="queue")).id for key in "ab"]
    return ids[0]


async def lasting(run: Run) -> None:
    await run.text("begun")
    await asyncio.Event().wait()


@pytest.mark.rule("R34")
async def test_everything_of_an_application_has_its_prefix_and_nothing_reaches_another(server: Valkey) -> None:
    async with application(server.url, "shop:") as shop, application(server.url, "") as other:
        run_id = await begun_in_a_room(shop)
        assert run_id in [info.id for info in await shop.room_runs("r")]
        assert await other.room_runs("r") == []
        budget, usage = RedisBudget(server.url, 10, prefix="shop:"), RedisUsage(server.url, prefix="shop:")
        assert await budget.reserve("ada", 10) == 10
        assert await usage.add("ada", TODAY, 5) == 5
        assert await usage.enter("ada", 1) is not None
        async with Redis.from_url(server.url, decode_responses=True) as redis:
            keys = {str(key) async for key in redis.scan_iter()}
            channels = {str(channel) for channel in await redis.pubsub_channels()}
        for names in (keys, channels):
            own = {name for name in names if name.startswith("shop:hubline:")}
            assert len(own) > 1
            assert all(name.startswith("hubline:nodes") for name in names - own), names  # the other's lease
        assert {key_slot(key.encode()) for key in keys if run_id in key} == {key_slot(run_id.encode())}
        others = RedisBudget(server.url, 10), RedisUsage(server.url)
        assert await others[0].reserve("ada", 10) == 10
        assert await others[1].used("ada", TODAY) == 0
        for each in (budget, usage, *others):
            await each.close()


@pytest.mark.rule("R29", "R33")
async def test_servers_with_one_prefix_are_one_application(server: Valkey) -> None:
    async with application(server.url, "shop:") as here, application(server.url, "shop:") as there:
        run_id = await begun_in_a_room(here)
        items = [item async for item in _until_live(there, run_id)]
        assert [item["text"] for item in items if item["kind"] == "text"] == ["begun"]
        assert (await there.stop(run_id)).state == "stopped"

        async def the_next_one_runs() -> bool:
            return [info.state for info in await there.room_runs("r") if info.id != run_id] == ["running"]

        await until_holds(the_next_one_runs)  # which the script of the room tells its server


async def _until_live(runs: Runs, run_id: str) -> AsyncIterator[dict[str, object]]:
    async with asyncio.timeout(LIMIT):
        async for item in runs.attach(run_id):
            yield item
            if item["kind"] == "text":
                return


async def test_the_rights_that_the_guide_lists_for_a_prefix_are_those_without_one_and_no_others(
    server: Valkey,
) -> None:
    named = [right for right in rights("shop") if right[0] in "&~"]
    assert [right for right in rights("shop") if right not in named] == [
        right for right in rights() if right[0] not in "&~"
    ]
    url = await allow(server, *rights("shop"))
    async with application(url, "shop:") as shop:
        run_id = await begun_in_a_room(shop)
        assert (await shop.stop(run_id)).state == "stopped"
    async with application(url, "") as without:
        with pytest.raises(HubError, match="cannot be reached"):
            await without.room_runs("r")


def test_a_prefix_with_braces_is_refused() -> None:
    url, refused = "redis://localhost", pytest.raises(ConfigurationError, match="prefix must be text without braces")
    with refused:
        RedisBudget(url, 10, prefix="{shop}")
    with refused:
        RedisUsage(url, prefix="{shop}")
    with pytest.raises(ConfigurationError, match=r"prefix(?s:.*)entries(?s:.*)lease"):
        RedisRunLog("redis://localhost", prefix="{", entries=0, lease=0)
