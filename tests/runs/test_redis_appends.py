"""What Redis had confirmed and has lost, as a replica does that takes over, and what comes late."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from redis.asyncio import Redis

from hubline.runs.names import run_channel
from hubline.runs.redis_keys import APPEND, FOLD, keys_of
from hubline.runs.redis_log import RedisRunLog
from tests.runs.fleet import fleet, say, text, to_the_end, until_told
from tests.valkey import LIMIT, Valkey, valkey

pytestmark = pytest.mark.valkey


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with valkey() as started:
        yield started


async def lose(redis: Any, run_id: str, end: int) -> None:
    """Redis has nothing of a run behind entry `end`, as if it had never come: batches have one entry each."""
    state, log, _ = keys_of(run_id)
    kept = await redis.xrange(log, "-", f"{end}-0")
    await redis.delete(log)
    for name, fields in kept:
        await redis.xadd(log, fields, id=name)
    await redis.hset(state, mapping={"seq": end, "batch": "another"})
    await redis.hdel(state, "end")


async def written(redis: Any, run_id: str) -> list[str]:
    """The text of each entry in Redis."""
    bodies = [json.loads(fields[b"entries"]) for _, fields in await redis.xrange(keys_of(run_id)[1])]
    return [body.get("text", body["kind"]) for batch in bodies for body in batch]


@pytest.mark.rule("R32")
async def test_the_owner_writes_again_what_redis_has_lost(server: Valkey) -> None:
    async with fleet(server) as servers, Redis.from_url(server.url) as redis:
        words: asyncio.Queue[str | None] = asyncio.Queue()
        run = await servers.runs[0].start(say, words)
        items = servers.runs[0].attach(run.id)
        for word in ("one ", "two ", "three "):
            words.put_nowait(word)
            while (await anext(items)).get("text") != word:
                pass
        await lose(redis, run.id, 1)
        words.put_nowait("four")
        words.put_nowait(None)
        assert text(await to_the_end(servers.runs[0], run.id)) == "one two three four"
        assert text(await to_the_end(servers.runs[1], run.id)) == "one two three four"
        assert await written(redis, run.id) == ["one ", "two ", "three ", "four", "end"]
        await until_told(servers.ends, 1)
        assert servers.ends[0][2:] == ("completed", "one two three four")


@pytest.mark.rule("R32")
async def test_an_end_that_redis_has_lost_is_written_again_after_the_interruption(server: Valkey) -> None:
    """Nothing more is appended, which would show it, and viewers on other servers wait for the end."""
    async with fleet(server) as servers, Redis.from_url(server.url) as redis:
        words: asyncio.Queue[str | None] = asyncio.Queue()
        run = await servers.runs[0].start(say, words)
        for word in ("one ", "two", None):
            words.put_nowait(word)
        await to_the_end(servers.runs[0], run.id)
        await until_told(servers.ends, 1)
        await lose(redis, run.id, 1)
        servers.logs[0]._hearing.renew()

        async def suspicious() -> bool:
            return bool(servers.logs[0]._checks._suspicious)

        await servers.until(suspicious)
        viewing = asyncio.create_task(to_the_end(servers.runs[1], run.id))
        await servers.logs[0]._checks.look()
        async with asyncio.timeout(LIMIT):
            assert text(await viewing) == "one two"
        assert await written(redis, run.id) == ["one ", "two", "end"]
        assert not servers.logs[0]._checks._suspicious


@pytest.mark.rule("R1")
async def test_an_append_that_comes_late_adds_nothing(server: Valkey) -> None:
    """Its connection was given up, and what it carried was sent again on the next."""
    log = RedisRunLog(server.url)
    await log.create("late")
    body = {"kind": "text", "part": "1", "text": "one"}
    await log.append("late", [body])
    await log.append("late", [{**body, "text": "two"}])
    late = 1, "first", 1, json.dumps([body]), run_channel("late"), "", 0
    assert await log._commands.run(APPEND, keys_of("late")[:2], *late) == [b"other", 2]
    async with Redis.from_url(server.url) as redis:
        assert await written(redis, "late") == ["one", "two"]
    await log.close()


@pytest.mark.rule("R20")
async def test_a_fold_that_comes_late_brings_nothing_back(server: Valkey) -> None:
    log = RedisRunLog(server.url)
    await log.create("folded")
    for number in range(4):
        await log.append("folded", [{"kind": "text", "part": "1", "text": f"{number} "}])
    async with Redis.from_url(server.url) as redis:
        for base, answer in ((3, 1), (2, 0), (3, 1)):
            assert await log._commands.run(FOLD, keys_of("folded"), 1, base, f"kept {base}") == answer
            assert await redis.get(keys_of("folded")[2]) == b"kept 3"
        assert await written(redis, "folded") == ["3 "]
    await log.close()
