"""Quotas of several servers on a real Valkey."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from redis.asyncio import Redis

from hubline._clock import Clock
from hubline.limits import QuestionsAtOnce, QuotaExceeded, Quotas, Tier, UsageStore
from hubline.limits.redis_usage import RedisUsage
from hubline.testing import ManualClock, QuestionsSuite, UsageStoreSuite
from tests.valkey import Valkey, until, valkey

pytestmark = pytest.mark.valkey

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
FREE = Tier("free", tokens_per_day=10, questions_at_once=1)


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with valkey() as started:
        yield started


@asynccontextmanager
async def opened(server: Valkey, clock: Clock | None = None) -> AsyncIterator[RedisUsage]:
    async with Redis.from_url(server.url) as redis:
        await redis.flushall()
    usage = RedisUsage(server.url, clock=clock)
    try:
        yield usage
    finally:
        await usage.close()


class TestRedisUsage(UsageStoreSuite):
    @pytest.fixture(autouse=True)
    def _server(self, server: Valkey) -> None:
        self.server = server

    @asynccontextmanager
    async def store(self) -> AsyncIterator[UsageStore]:
        async with opened(self.server) as usage:
            yield usage


class TestRedisQuestions(QuestionsSuite):
    @pytest.fixture(autouse=True)
    def _server(self, server: Valkey) -> None:
        self.server = server

    @asynccontextmanager
    async def questions(self) -> AsyncIterator[QuestionsAtOnce]:
        async with opened(self.server) as usage:
            yield usage


async def test_tokens_and_questions_of_all_servers_count_together(server: Valkey) -> None:
    async with opened(server) as one, opened(server) as two:
        first, second = (Quotas(usage, questions=usage, now=lambda: NOON) for usage in (one, two))
        async with first.question("ada", FREE) as question:
            with pytest.raises(QuotaExceeded, match="question"):
                async with second.question("ada", FREE):
                    pass
            await question.spend(8)
        assert (await second.left("ada", FREE)).tokens == 2
        with pytest.raises(QuotaExceeded):
            async with second.question("ada", FREE) as question:
                await question.spend(3)
        with pytest.raises(QuotaExceeded):
            async with first.question("ada", FREE):
                pass


async def test_a_question_goes_on_counting_and_that_of_a_server_that_has_gone_does_not(server: Valkey) -> None:
    clock, questions = ManualClock(), "hubline:questions:ada"
    async with opened(server, clock) as one, opened(server) as two, Redis.from_url(server.url) as redis:
        ticket = await one.enter("ada", 1)
        assert ticket is not None
        await redis.zadd(questions, {ticket: 1})  # as when its lease has lapsed
        await clock.advance(3)

        async def renewed() -> bool:
            return await redis.zscore(questions, ticket) not in (None, 1)

        await until(renewed)
        assert await two.enter("ada", 1) is None
        await one.close()  # without a word, as one that was killed
        await redis.zadd(questions, {ticket: 1})
        assert await two.enter("ada", 1) is not None
        names = [name async for name in redis.scan_iter("*")]
        assert names
        assert [name for name in names if await redis.pttl(name) == -1] == []
