"""The log in Redis keeps what every log must, on a real Valkey."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis

from hubline.runs import RunLog
from hubline.runs.redis_log import RedisRunLog
from hubline.testing import RunLogSuite
from tests.valkey import Valkey, valkey

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
