"""The log in Redis keeps what every log must, on a real Valkey."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis

from hubline.runs import RunLog, RunRegistry
from hubline.runs.redis_log import RedisRunLog
from hubline.testing import RunLogSuite, RunRegistrySuite
from tests.valkey import LIMIT, Valkey, valkey

pytestmark = pytest.mark.valkey


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with valkey() as started:
        yield started


class TestRedisRunLog(RunLogSuite):
    @pytest.fixture(autouse=True)
    def _server(self, server: Valkey) -> None:
        self.server = server

    @asynccontextmanager
    async def log(self, entries: int) -> AsyncIterator[RunLog]:
        async with Redis.from_url(self.server.url) as redis:
            await redis.flushall()
        log = RedisRunLog(self.server.url, entries=entries)
        try:
            yield log
        finally:
            await log.close()


class TestRedisRegistry(RunRegistrySuite):
    @pytest.fixture(autouse=True)
    def _server(self, server: Valkey) -> None:
        self.server = server

    @asynccontextmanager
    async def registries(self, count: int) -> AsyncIterator[Sequence[RunRegistry]]:
        async with Redis.from_url(self.server.url) as redis:
            await redis.flushall()
        logs = [RedisRunLog(self.server.url) for _ in range(count)]
        try:
            yield [log.registry for log in logs]
        finally:
            for log in logs:
                await log.close()


async def test_a_call_while_it_closes_connects_after_it_and_leaves_no_task_behind(server: Valkey) -> None:
    log = RedisRunLog(server.url)
    before = asyncio.all_tasks()
    assert await log.listed("rooms:r") == []
    node, hearing, calls = log.node, log._hearing, []
    close = hearing.close

    async def closing() -> None:
        await close()
        calls.append(asyncio.create_task(log.listed("rooms:r")))
        await asyncio.wait(calls, timeout=0.1)  # as far as it gets

    hearing.close = closing  # type: ignore[method-assign]
    async with asyncio.timeout(LIMIT):
        await log.close()
        assert await calls[0] == []
        assert log.node != node
        await log.close()
    assert asyncio.all_tasks() == before
