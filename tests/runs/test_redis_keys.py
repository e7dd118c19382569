"""What the log in Redis does there: its connections, and the names and times of its keys."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest
from redis.asyncio import Redis

from hubline import HubError
from hubline.runs import Run, Runs
from hubline.runs.redis_log import RedisRunLog
from tests.runs.fleet import fleet, say, to_the_end
from tests.runs.watching import watching, worker
from tests.valkey import Valkey, until, valkey

pytestmark = pytest.mark.valkey


CALLS: list[str] = []
"""What `answer` was to say, in each call."""


@pytest.fixture(autouse=True)
def _nothing_called() -> None:
    CALLS.clear()


async def answer(run: Run, words: str) -> None:
    CALLS.append(words)
    await run.text(words)


@pytest.fixture
def server() -> Iterator[Valkey]:
    with valkey() as started:
        yield started


@pytest.mark.rule("R29")
async def test_all_viewers_of_a_server_share_its_two_connections(server: Valkey) -> None:
    async with fleet(server) as servers, Redis.from_url(server.url) as redis, AsyncExitStack() as stack:
        first, second = servers.runs
        started = [await first.start(say, asyncio.Queue()) for _ in range(5)]
        for run in started:
            for _ in range(20):
                items = second.attach(run.id)
                stack.push_async_callback(items.aclose)
                assert (await anext(items))["kind"] == "live"
        names = [each for each in await redis.client_list() if each["cmd"] != "client|list"]
        assert len(names) == 4


@pytest.mark.rule("R34")
async def test_a_room_leaves_nothing_without_an_end_in_redis(server: Valkey) -> None:
    async with fleet(server, on_busy="queue", keep=3_600) as servers, Redis.from_url(server.url) as redis:
        first, second = servers.runs
        words: asyncio.Queue[str | None] = asyncio.Queue()
        run = await first.start(say, words, room="r", starter="alice", key="k")
        other = await second.start(say, words, room="r", starter="alice")
        assert await redis.pttl("hubline:rooms:{r}:queue") > 0
        for each in (run, other):
            words.put_nowait(None)
            await each.wait()

        async def empty() -> bool:
            return not await redis.exists("hubline:rooms:{r}:queue")

        await servers.until(empty)
        names = [name async for name in redis.scan_iter("*")]
        assert len(names) >= 8
        assert [name for name in names if await redis.pttl(name) == -1] == []


@pytest.mark.rule("R33", "R9")
async def test_a_key_outlives_its_run_by_its_own_time(server: Valkey) -> None:
    async with fleet(server, keep=0.05, keep_keys=3_600) as servers, Redis.from_url(server.url) as redis:
        first, second = servers.runs
        run = await first.start(answer, "hello", key="k", starter="alice")
        await run.wait()

        async def expired() -> bool:
            return not await redis.exists(f"hubline:runs:{{{run.id}}}:state")

        await servers.until(expired)
        again = await second.start(answer, "hello", key="k", starter="alice")
        assert again.id == run.id
        with pytest.raises(HubError, match="does not exist"):
            await again.wait()
        assert 3_500 < await redis.ttl("hubline:keys:{user alice}:k") <= 3_600
        await redis.pexpire("hubline:keys:{user alice}:k", 1)

        async def forgotten() -> bool:
            other = await second.start(answer, "hello", key="k", starter="alice")
            return other.id != run.id

        await servers.until(forgotten)


@pytest.mark.rule("R33", "R9")
async def test_a_server_that_was_too_slow_to_make_its_run_joins_the_one_that_was_made_meanwhile(
    server: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with fleet(server) as servers, Redis.from_url(server.url) as redis:
        first, second = servers.runs
        others = []

        async def confirm(account: str, key: str, run_id: str, request: str) -> bool:
            await redis.delete("hubline:keys:{user alice}:k")  # as it lapses
            others.append(await second.start(answer, "hello", key="k", starter="alice", room="r"))
            return bool(await servers.logs[1].registry.confirm_key(account, key, run_id, request))

        monkeypatch.setattr(servers.logs[0].registry, "confirm_key", confirm)
        joined = await first.start(answer, "hello", key="k", starter="alice", room="r")
        assert [joined.id] == [each.id for each in others]
        assert (await joined.wait()).state == "completed"
        assert CALLS == ["hello"]
        assert [info.id for info in await first.room_runs("r")] == [joined.id]
        assert first.statistics()["active"] == 0


@pytest.mark.rule("R26", "R30")
async def test_a_run_that_was_taken_over_pays_and_what_the_dead_server_had_reserved_comes_back(server: Valkey) -> None:
    async with watching(server) as servers, worker(server, "paying", starter="alice", reserve=5) as other:
        run_id = await other.started()
        await other.heard("written")
        assert (await servers.budgets[0].charge("alice", 0)).left == 5  # 3 are paid, 2 are still reserved
        other.process.send_signal(signal.SIGKILL)
        assert (await to_the_end(servers.runs[0], run_id))[-1]["state"] == "completed"

        async def settled() -> bool:
            balance = await servers.budgets[0].charge("alice", 0)
            return balance.left == 4

        await until(settled)


@pytest.mark.rule("R34")
async def test_keys_are_named_as_documented_and_outlive_a_silent_run_but_not_its_end(server: Valkey) -> None:
    log = RedisRunLog(server.url, lease=0.05)
    runs = Runs(log=log, keep=0.3, drain=0)
    go = asyncio.Event()

    async def silent(run: Run) -> None:
        await run.text("a ")
        await go.wait()
        await run.text("b ")

    async with Redis.from_url(server.url, decode_responses=True) as redis:
        run = await runs.start(silent, room="r", starter="alice")
        own = f"hubline:runs:{{{run.id}}}:"
        names = {name async for name in redis.scan_iter("*")}
        assert {own + "state", "hubline:rooms:{r}:runs", "hubline:starters:{user alice}:runs"} <= names
        assert all(
            name.startswith(("hubline:runs:{", "hubline:rooms:{", "hubline:nodes", "hubline:starters:{"))
            for name in names
        )

        times = await redis.pttl(own + "state")
        asked = 0

        async def renewed() -> bool:
            nonlocal times, asked
            before, times = times, await redis.pttl(own + "state")
            asked += times > before
            return asked >= 10

        await until(renewed)
        assert await redis.exists(own + "log") == 1
        go.set()
        await run.wait()

        async def gone() -> bool:
            return {name async for name in redis.scan_iter("*")} <= {"hubline:nodes", *left(log)}

        await until(gone)
    await runs.drain()


def left(log: RedisRunLog) -> list[str]:
    """What a server has as long as it lives."""
    return [f"hubline:nodes:{{{log.node}}}:lease"]
