"""PostgreSQL behind PgBouncer in transaction mode, which sends each statement to any of its connections."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from psycopg import AsyncConnection

from hubline import BackplaneError, Hub, Publisher
from hubline.backplanes import postgres_notices
from hubline.backplanes.postgres import PostgresBackplane
from hubline.testing import BackplaneSuite
from hubline.testing.backplane import Heard, MakeBackplane
from tests.backplanes.test_redis_outages import fails, succeeds
from tests.pgbouncer import PORT, pool
from tests.postgres import made
from tests.valkey import until

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


async def test_a_pool_that_is_killed_and_started_again_costs_no_message(postgres_server: Path) -> None:
    """What the database has meanwhile is read when the pool is back."""
    with pool(postgres_server, PORT + 1) as between:
        database = made(postgres_server)
        url, found = between.url_of(database.url), Heard()
        listening = await PostgresBackplane(url, poll=0.02).connect(found)
        publishing = await PostgresBackplane(url, poll=0.02).connect(Heard())
        direct = await PostgresBackplane(database.url).connect(Heard())
        await listening.subscribe(["a"])
        await publishing.publish(["a"], b"before")
        assert await found.take(1) == [("a", b"before")]
        await asyncio.to_thread(between.stop)
        await until(lambda: fails(publishing.publish(["b"], b"lost"), BackplaneError))
        await direct.publish(["a"], b"meanwhile")
        await asyncio.to_thread(between.start)
        assert await found.take(1) == [("a", b"meanwhile")]
        await until(lambda: succeeds(publishing.publish(["b"], b"again"), BackplaneError))
        await publishing.publish(["a"], b"after")
        assert await found.take(1) == [("a", b"after")]
        assert found.gaps == []
        for each in (listening, publishing, direct):
            await each.close()


async def test_a_server_whose_poll_was_forgotten_says_so_and_reads_often(
    pooled_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """LISTEN seems to work. Without notifications each message would take up to 15 s."""
    monkeypatch.setattr(postgres_notices, "PATIENCE", 0.2)
    found = Heard()
    link = await PostgresBackplane(pooled_url).connect(found)
    await link.subscribe(["a"])
    async with asyncio.timeout(10):
        for number in range(3):
            await link.publish(["a"], b"%d" % number)
            assert await found.take(1) == [("a", b"%d" % number)]
    await link.close()
    [told] = [each for each in caplog.messages if "does not tell this server" in each]
    assert "`poll=0.05`" in told
