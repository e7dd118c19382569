"""How many runs a starter may have at once, and how many keys are kept, on several servers."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis.asyncio import Redis

from hubline import HubError
from hubline.runs import Caller, Run, RunLimits
from hubline.runs.redis_accounts import index_key, part_of, request_key
from tests.runs import answering
from tests.runs.fleet import Fleet, fleet, say, to_the_end
from tests.runs.watching import lease, worker
from tests.valkey import Valkey, valkey

pytestmark = pytest.mark.valkey

ACTIVE = "hubline:starters:{user alice}:active"
TOO_MANY = "2 runs at once may be started: wait until one has ended"
Words = asyncio.Queue[str | None]


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with valkey() as started:
        yield started


@asynccontextmanager
async def limited(server: Valkey, count: int = 2, most: int = 2, **settings: Any) -> AsyncIterator[tuple[Fleet, Redis]]:
    limits = RunLimits(per_starter=most)
    async with (
        fleet(server, count, limits=limits, **settings) as servers,
        Redis.from_url(server.url, decode_responses=True) as redis,
    ):
        yield servers, redis


async def answer(run: Run) -> None:
    await run.text("x")


@pytest.mark.rule("R11", "R33")
async def test_a_starter_has_as_many_runs_at_once_as_are_allowed_on_all_servers_together(server: Valkey) -> None:
    async with limited(server, 3) as (servers, redis):
        first, second, third = servers.runs
        one = await first.start(say, Words(), starter="alice")
        two = await second.start(say, Words(), starter="alice", key="k")
        for runs in servers.runs:
            with pytest.raises(HubError, match=TOO_MANY):
                await runs.start(say, Words(), starter="alice")
            with pytest.raises(HubError, match=TOO_MANY):
                await runs.start(say, Words(), starter="alice", key="another")
        assert (await third.start(say, Words(), starter="bob")).id not in (one.id, two.id)
        await third.stop(one.id)
        again = await third.start(say, Words(), starter="alice", key="another")
        assert set(await redis.zrange(ACTIVE, 0, -1)) == {two.id, again.id}
        for each in (two.id, again.id):
            await first.stop(each)
        await servers.until(lambda: is_gone(redis, ACTIVE))


async def is_gone(redis: Redis, *names: str) -> bool:
    return not await redis.exists(*names)


@pytest.mark.rule("R11", "R33")
async def test_of_many_starts_at_once_on_all_servers_as_many_succeed_as_are_allowed(server: Valkey) -> None:
    async with limited(server, 3, 5) as (servers, _):
        found = await asyncio.gather(
            *(runs.start(say, Words(), starter="alice") for runs in servers.runs for _ in range(10)),
            return_exceptions=True,
        )
        refused = [each for each in found if isinstance(each, HubError)]
        assert (len(found), len(refused)) == (30, 25)
        assert {str(each) for each in refused} == {"5 runs at once may be started: wait until one has ended."}


@pytest.mark.rule("R11", "R33", "R34")
async def test_a_start_that_is_refused_leaves_nothing(server: Valkey) -> None:
    async with limited(server, most=1) as (servers, redis):
        first, second = servers.runs
        held = await first.start(say, Words(), starter="alice")
        for key in (None, "k"):
            with pytest.raises(HubError, match="1 runs at once"):
                await second.start(answer, starter="alice", key=key, room="r")
        states = [name async for name in redis.scan_iter("hubline:runs:*:state")]
        assert states == [f"hubline:runs:{{{held.id}}}:state"]
        assert await redis.exists("hubline:keys:{user alice}:k", "hubline:rooms:{r}:queue") == 0
        assert await redis.zrange(ACTIVE, 0, -1) == [held.id]
        assert await second.room_runs("r") == []
        assert second.statistics()["active"] == 0
        busy = await second.start(say, Words(), room="r", starter="bob")
        with pytest.raises(HubError, match="busy"):  # refused for another reason, it does not count either
            await second.start(answer, room="r", on_busy="reject", starter="carol")
        assert await is_gone(redis, "hubline:starters:{user carol}:active")
        await busy.stop()


@pytest.mark.rule("R11", "R33")
async def test_whoever_has_seen_an_end_may_start_the_next(server: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when the server that has written the end has not told that the run counts no more."""
    async with limited(server, most=1) as (servers, _):
        first, second = servers.runs
        registry = servers.logs[0].registry
        seen, told = asyncio.Event(), registry.ended

        async def ended(about: Any) -> None:
            await seen.wait()
            await told(about)

        monkeypatch.setattr(registry, "ended", ended)
        run = await first.start(answer, starter="alice")
        assert (await to_the_end(second, run.id))[-1]["state"] == "completed"
        following = await second.start(say, Words(), starter="alice")
        with pytest.raises(HubError, match="1 runs at once"):
            await second.start(answer, starter="alice")
        seen.set()
        assert await servers.ended(1)
        await following.stop()


@pytest.mark.rule("R11", "R33")
async def test_strangers_are_counted_by_connection_and_the_application_by_each_server(server: Valkey) -> None:
    async with limited(server, most=1) as (servers, redis):
        first, second = servers.runs
        for connection in ("c1", "c2"):
            await first.start(say, Words(), starter=Caller(None, connection))
            with pytest.raises(HubError, match="1 runs at once"):
                await second.start(answer, starter=Caller(None, connection))
        for runs in servers.runs:
            await runs.start(say, Words())
            with pytest.raises(HubError, match="1 runs at once"):
                await runs.start(answer)
        names = [name async for name in redis.scan_iter("hubline:starters:*:active")]
        assert sorted(names) == [f"hubline:starters:{{connection {each}}}:active" for each in ("c1", "c2")]


@pytest.mark.rule("R11", "R33", "R34")
async def test_a_run_counts_as_long_as_it_lives_and_what_never_became_one_for_a_while(server: Valkey) -> None:
    async with limited(server, lease=1.0) as (servers, redis):
        first, second = servers.runs
        run = await first.start(say, Words(), starter="alice")
        assert await servers.logs[0].registry.admit("user alice", "never", 2)
        until = await redis.zscore(ACTIVE, run.id) or 0.0
        with pytest.raises(HubError, match=TOO_MANY):
            await second.start(answer, starter="alice")

        async def free() -> bool:
            try:
                await second.start(say, Words(), starter="alice")
            except HubError:
                return False
            return True

        await servers.until(free)  # the run itself is renewed, longer than it would count without that
        assert await redis.zscore(ACTIVE, "never") is None
        assert (await redis.zscore(ACTIVE, run.id) or 0.0) > until
        with pytest.raises(HubError, match=TOO_MANY):
            await second.start(answer, starter="alice")
        assert 0 < await redis.pttl(ACTIVE) <= 6_000
        await redis.delete(ACTIVE)  # as when Redis has lost it

        async def counted() -> bool:
            return int(await redis.zcard(ACTIVE)) == 2

        await servers.until(counted)


@pytest.mark.rule("R11", "R30", "R33")
async def test_runs_of_a_server_that_was_killed_count_until_they_have_ended_elsewhere(
    server: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "GO", asyncio.Queue())  # a queue belongs to an event loop
    async with limited(server, 2, 2, lease=lease(server)) as (servers, redis):
        for runs in servers.runs:
            runs.function(restartable=True)(answering.counting)
        first, second = servers.runs
        async with worker(server, "plain,counting", starter="alice") as other:
            plain, counting = await other.started(), await other.started()
            for runs in servers.runs:
                with pytest.raises(HubError, match=TOO_MANY):
                    await runs.start(answer, starter="alice")
            other.process.kill()
            await other.process.wait()
        with pytest.raises(HubError, match=TOO_MANY):
            await first.start(answer, starter="alice")
        assert (await to_the_end(first, plain))[-1]["state"] == "interrupted"  # nobody else can call its function
        here = await second.start(say, Words(), starter="alice")
        with pytest.raises(HubError, match=TOO_MANY):
            await first.start(answer, starter="alice")
        for _ in range(3):
            answering.GO.put_nowait("go")
        assert (await to_the_end(first, counting))[-1]["state"] == "completed"  # called again by one of the others
        assert (await (await first.start(answer, starter="alice")).wait()).state == "completed"
        await here.stop()
        await servers.until(lambda: is_gone(redis, ACTIVE))


# Keys


@pytest.mark.rule("R9", "R33")
async def test_a_renewal_that_comes_after_the_end_takes_nothing_from_a_key_and_no_place_from_the_starter(
    server: Valkey,
) -> None:
    async with limited(server, most=1, keep_keys=86_400) as (servers, redis):
        first, second = servers.runs
        run = await first.start(answer, starter="alice", key="k")
        assert await servers.ended(1)
        about = await servers.logs[0].about(run.id)
        assert about is not None

        async def told() -> bool:
            return await redis.ttl("hubline:keys:{user alice}:k") > 86_000

        await servers.until(told)
        await servers.logs[0]._registry.renew(about)  # which was under way when the run ended
        assert await redis.ttl("hubline:keys:{user alice}:k") > 86_000
        assert await redis.zrange(ACTIVE, 0, -1) == [run.id]
        following = await second.start(say, Words(), starter="alice")  # the end is asked for
        assert await redis.zrange(ACTIVE, 0, -1) == [following.id]
        await following.stop()


async def keys_of(redis: Redis) -> set[str]:
    return {name async for name in redis.scan_iter("hubline:keys:{user *}:*")}


@pytest.mark.rule("R9", "R33")
async def test_so_many_keys_of_ended_runs_are_kept_and_the_oldest_go_first(server: Valkey) -> None:
    async with limited(server, most=1_000, keep_keys=3_600) as (servers, redis):
        first, second = servers.runs
        for log in servers.logs:
            log._registry._most = 32  # two in each of the 16 indexes
        words = Words()
        living = await first.start(say, words, starter="alice", key="living")
        for number in range(120):
            runs = servers.runs[number % 2]
            await (await runs.start(answer, starter=f"user {number % 7}", key=f"{number}")).wait()
        assert await servers.ended(120)

        async def bounded() -> bool:
            return len(await keys_of(redis)) <= 33

        await servers.until(bounded)
        found = await keys_of(redis)
        numbers = sorted(int(name.rpartition(":")[2]) for name in found if not name.endswith("living"))
        assert "hubline:keys:{user alice}:living" in found
        assert len(numbers) >= 24, "an index may have got few of them"
        assert numbers[-1] == 119
        assert sum(number >= 60 for number in numbers) > len(numbers) * 0.8
        indexed = [name async for name in redis.scan_iter("hubline:keys:{*}:ended")]
        assert {await redis.zcard(name) for name in indexed} <= {1, 2}
        assert all([0 < await redis.ttl(name) <= 3_600 for name in indexed])
        assert (await second.start(say, words, starter="alice", key="living")).id == living.id
        await living.stop()


@pytest.mark.rule("R9", "R33")
async def test_keys_that_a_server_did_not_come_to_remove_are_removed_by_the_next(server: Valkey) -> None:
    async with limited(server) as (servers, redis):
        registry = servers.logs[0]._registry
        registry._most = 16  # one in each index
        _, *ends = [key for key in (f"end {number}" for number in range(200)) if part_of("user a", key) == 0][:4]
        kept = [f"key {number}" for number in range(250)]
        for number, key in enumerate(kept):
            await redis.zadd(index_key(0), {json.dumps(["user a", key, f"run {number}"]): 4 * 10**12 + number})
            await redis.hset(request_key("user a", key), "run", f"run {number}")
        await redis.hset(request_key("user a", kept[0]), "run", "another")  # it was taken anew
        for key in ends:  # each removes a hundred
            await registry.take_key("user a", key, key, "")
            about = {"id": key, "account": "user a", "key": key, "keepKeys": 1e10, "room": None}
            for _ in range(2):  # a report without an answer is repeated
                await registry.ended(about)
        assert await redis.zrange(index_key(0), 0, -1) == [json.dumps(["user a", ends[-1], ends[-1]])]
        assert await keys_of(redis) == {request_key("user a", key) for key in (kept[0], ends[-1])}
