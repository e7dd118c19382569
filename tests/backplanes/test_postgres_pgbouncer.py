"""PostgreSQL behind PgBouncer in transaction mode, which sends each statement to any of its connections."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from psycopg import AsyncConnection

from hubline import Hub, Publisher
from hubline.backplanes.postgres import PostgresBackplane
from hubline.testing import BackplaneSuite
from hubline.testing.backplane import Heard, MakeBackplane

pytestmark = [pytest.mark.pgbouncer, pytest.mark.postgres]


class News(Hub): ...


class TestPostgresBehindPgBouncer(BackplaneSuite):
    @pytest.fixture(autouse=True)
    def own_database(self, pooled_url: str) -> None:
        self.url = pooled_url

    @asynccontextmanager
    async def backplanes(self) -> AsyncIterator[MakeBackplane]:
        yield lambda: PostgresBackplane(self.url, poll=0.02)


async def test_a_transaction_through_the_pool_sends_when_it_commits(pooled_url: str) -> None:
    backplane, found = PostgresBackplane(pooled_url, poll=0.02), Heard()
    link = await backplane.connect(found)
    await link.subscribe(["News.NewsHub:all"])
    async with (
        await AsyncConnection.connect(pooled_url, prepare_threshold=None) as connection,
        Publisher(backplane, News, name="News.NewsHub") as publisher,
    ):
        async with connection.transaction(force_rollback=True), backplane.within(connection):
            await publisher.clients.all.send("Told", "never")
        async with connection.transaction(), backplane.within(connection):
            await publisher.clients.all.send("Told", "once")
        [(_, payload)] = await found.take(1)
        assert b"once" in payload
        assert found.messages.empty()
    await link.close()
