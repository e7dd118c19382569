"""Messages that nobody can read."""

import asyncio
import logging
from collections.abc import Iterator

import pytest
from redis.asyncio import Redis

from hubline.runs.news import SILENCE, News
from hubline.testing import ManualClock
from tests.runs.fleet import fleet, say, text
from tests.valkey import Valkey, valkey

pytestmark = pytest.mark.valkey


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with valkey() as started:
        yield started


async def test_what_cannot_be_read_is_passed_over_and_logged_once(
    server: Valkey, caplog: pytest.LogCaptureFixture
) -> None:
    async with fleet(server) as servers, Redis.from_url(server.url) as redis:
        words: asyncio.Queue[str | None] = asyncio.Queue()
        run = await servers.runs[0].start(say, words)
        items = servers.runs[1].attach(run.id)
        assert (await anext(items))["kind"] == "live"
        news = f"hubline:runs:{{{run.id}}}:news"
        for junk in ("entries", "entries x [", 'entries 0 ["text"]', "about {", "about []", "\0\xff"):
            assert await redis.publish(news, junk) == 2
        for log in servers.logs:
            for junk in ("[]", "{", '{"ask": 1}', '{"to": "nobody"}'):
                await redis.publish(f"hubline:nodes:{{{log.node}}}:calls", junk)
        for word in ("one ", "two"):
            words.put_nowait(word)
        words.put_nowait(None)
        assert text([item async for item in items]) == "one two"
        assert (await run.wait()).state == "completed"
        lines = [record for record in caplog.records if "could not be read" in record.message]
        assert len(lines) == 2  # one for each server
        assert not [record for record in caplog.records if "connection is lost" in record.message]


def test_after_a_minute_the_others_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    news = News("node", None, None, None, clock)  # type: ignore[arg-type]
    with caplog.at_level(logging.WARNING, "hubline.runs"):
        for _ in range(5):
            news.received("hubline:runs:{r}:news", b"entries x y")
        clock._now += SILENCE
        news.received("hubline:runs:{r}:news", b"entries x y")
    assert [record.message.split(" ", 1)[0] for record in caplog.records] == ["1", "5"]
