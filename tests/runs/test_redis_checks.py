"""Whatever news are lost: a viewer is behind for three looks at most."""

import asyncio
from collections.abc import Iterator

import pytest
from redis.asyncio import Redis

from hubline.backplanes import heartbeat
from hubline.runs.names import beat_channel
from tests.runs.fleet import Fleet, fleet, say, text, to_the_end
from tests.valkey import LIMIT, Valkey, valkey

pytestmark = pytest.mark.valkey


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with valkey() as started:
        yield started


async def viewed(servers: Fleet, words: "asyncio.Queue[str | None]") -> tuple[str, "asyncio.Task[str]"]:
    """A run of the first server, and a viewer on the second, which has the first word."""
    run = await servers.runs[0].start(say, words)
    words.put_nowait("one ")
    begun = asyncio.Event()

    async def view() -> str:
        items = []
        async for item in servers.runs[1].attach(run.id):
            items.append(item)
            if text(items) == "one ":
                begun.set()
        return text(items) + f"({items[-1]['state']})"

    viewing = asyncio.create_task(view())
    await begun.wait()
    return run.id, viewing


@pytest.mark.rule("R32")
async def test_a_viewer_that_hears_nothing_any_more_gets_what_there_is(
    server: Valkey, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    words: asyncio.Queue[str | None] = asyncio.Queue()
    async with fleet(server) as servers:
        run_id, viewing = await viewed(servers, words)
        second = servers.logs[1]
        monkeypatch.setattr(second._tapes, "told", lambda *_: None)
        for word in ("two ", "three"):
            words.put_nowait(word)

        async def written() -> bool:
            return bool(await second._checks._newest(run_id) == 3)

        await servers.until(written)
        for _ in range(3):
            assert not viewing.done()
            await second._checks.look()
        monkeypatch.undo()
        words.put_nowait(None)
        async with asyncio.timeout(LIMIT):
            assert await viewing == "one two three(completed)"
        assert "news of 1 runs were lost" in caplog.text


@pytest.mark.rule("R32")
async def test_a_viewer_of_a_run_that_redis_has_lost_gets_an_end(server: Valkey) -> None:
    """Without an interruption: somebody has emptied Redis."""
    words: asyncio.Queue[str | None] = asyncio.Queue()
    async with fleet(server) as servers, Redis.from_url(server.url) as redis:
        _, viewing = await viewed(servers, words)
        await redis.flushall()
        for _ in range(2):
            await servers.logs[1]._checks.look()
        async with asyncio.timeout(LIMIT):
            assert await viewing == "one (interrupted)"
        words.put_nowait(None)


async def test_news_on_their_way_are_not_taken_for_lost(server: Valkey, caplog: pytest.LogCaptureFixture) -> None:
    words: asyncio.Queue[str | None] = asyncio.Queue()
    async with fleet(server) as servers:
        run_id, viewing = await viewed(servers, words)
        checks = servers.logs[1]._checks
        for _ in range(5):
            await checks.look()
        words.put_nowait("two")
        await checks.look()
        words.put_nowait(None)
        async with asyncio.timeout(LIMIT):
            assert await viewing == "one two(completed)"
        assert text(await to_the_end(servers.runs[0], run_id)) == "one two"
        assert "were lost" not in caplog.text


async def test_a_connection_that_brings_nothing_is_made_anew(server: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one whose other end has gone without a word: nothing else would be noticed of it."""
    monkeypatch.setattr(heartbeat, "INTERVAL", 0.2)
    words: asyncio.Queue[str | None] = asyncio.Queue()
    async with fleet(server) as servers, Redis.from_url(server.url) as redis:
        _, viewing = await viewed(servers, words)
        second = servers.logs[1]
        (line,) = second._hearing.lines
        line._received = lambda channel, payload: False
        words.put_nowait("two")

        async def subscribed() -> bool:
            return (await redis.pubsub_numsub(beat_channel(second.node)))[0][1] == 1

        await servers.until(subscribed)
        words.put_nowait(None)
        async with asyncio.timeout(LIMIT):  # tapes are completed when the new connection is ready
            assert await viewing == "one two(completed)"
