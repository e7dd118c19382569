"""PostgreSQL as a backplane, against the suite for all of them, and messages that belong to a transaction."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import pytest
from psycopg import AsyncConnection
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from hubline import BackplaneError, ConfigurationError, Hub, HubApp, HubRoute, Publisher
from hubline.backplanes.postgres import PostgresBackplane
from hubline.backplanes.postgres_cleaning import PAUSE
from hubline.backplanes.postgres_tables import statements
from hubline.testing import BackplaneSuite, ManualClock, connect
from hubline.testing.backplane import Heard, MakeBackplane
from tests.backplanes.test_redis_outages import until_it_publishes
from tests.valkey import LIMIT

pytestmark = pytest.mark.postgres

NAME = "News.NewsHub"


class News(Hub):
    async def present(self) -> None: ...


class TestPostgresBackplane(BackplaneSuite):
    @pytest.fixture(autouse=True)
    def own_database(self, postgres_url: str) -> None:
        self.url = postgres_url

    @asynccontextmanager
    async def backplanes(self) -> AsyncIterator[MakeBackplane]:
        yield lambda: PostgresBackplane(self.url)


class TestPolling(TestPostgresBackplane):
    """As through PgBouncer in transaction mode, which passes no NOTIFY on."""

    @asynccontextmanager
    async def backplanes(self) -> AsyncIterator[MakeBackplane]:
        yield lambda: PostgresBackplane(self.url, poll=0.02)


class HeardGap(Heard):
    def __init__(self) -> None:
        super().__init__()
        self.told = asyncio.Event()

    def interrupted(self, since: datetime, until: datetime) -> None:
        super().interrupted(since, until)
        self.told.set()


@asynccontextmanager
async def heard(backplane: PostgresBackplane, *channels: str, found: Heard | None = None) -> AsyncIterator[Heard]:
    found = found or Heard()
    link = await backplane.connect(found)
    try:
        await link.subscribe(channels)
        yield found
    finally:
        await link.close()


async def test_what_a_transaction_sends_arrives_when_it_commits_and_not_before(postgres_url: str) -> None:
    backplane = PostgresBackplane(postgres_url)
    async with heard(backplane, "a") as found, await AsyncConnection.connect(postgres_url) as connection:
        other = await backplane.connect(Heard())
        async with connection.transaction():
            await backplane.send_within(connection, ["a"], b"within")
            await other.publish(["a"], b"meanwhile")
            assert await found.take(1) == [("a", b"meanwhile")]
        assert await found.take(1) == [("a", b"within")]
        await other.close()


async def test_a_transaction_that_rolls_back_sends_nothing(postgres_url: str) -> None:
    backplane = PostgresBackplane(postgres_url)
    async with heard(backplane, "a") as found, await AsyncConnection.connect(postgres_url) as connection:
        link = await backplane.connect(Heard())
        async with connection.transaction(force_rollback=True):
            await backplane.send_within(connection, ["a"], b"never")
        await link.publish(["a"], b"after")
        assert await found.take(1) == [("a", b"after")]
        assert found.messages.empty()
        await link.close()


@asynccontextmanager
async def engine_at(url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    try:
        yield engine
    finally:
        await engine.dispose()


async def _with_psycopg(url: str, work: Any) -> None:
    async with await AsyncConnection.connect(url) as connection, connection.transaction():
        await work(connection)


async def _with_sqlalchemy(url: str, work: Any) -> None:
    async with engine_at(url) as engine, engine.begin() as connection:
        await work(connection)


async def _with_a_session(url: str, work: Any) -> None:
    async with engine_at(url) as engine, AsyncSession(engine) as session, session.begin():
        await work(session)


@pytest.mark.parametrize("transaction", [_with_psycopg, _with_sqlalchemy, _with_a_session])
async def test_selectors_of_an_app_and_of_a_publisher_take_part_in_a_transaction(
    postgres_url: str, transaction: Any
) -> None:
    backplane = PostgresBackplane(postgres_url)
    app = HubApp({"/news": HubRoute(News, name=NAME)}, backplane=backplane)
    async with connect(app, "/news") as ada, Publisher(postgres_url, News, name=NAME) as publisher:

        async def rolled_back(connection: Any) -> None:
            async with backplane.within(connection):
                await app.context(News).clients.all.send("Told", "never")
                await app.context(News).clients.client(str(ada.connection_id)).send("Told", "never")
            raise ZeroDivisionError

        async def committed(connection: Any) -> None:
            async with backplane.within(connection):
                await app.context(News).clients.client(str(ada.connection_id)).send("Told", "one")
                await publisher.clients.all.send("Told", "all")

        await ada.invoke("Present")  # a call runs when the subscriptions of its connection are active
        with pytest.raises(ZeroDivisionError):
            await transaction(postgres_url, rolled_back)
        await transaction(postgres_url, committed)
        assert [await ada.expect("Told") for _ in range(2)] == [["one"], ["all"]]


async def test_a_server_that_was_cut_off_misses_nothing(postgres_url: str, caplog: pytest.LogCaptureFixture) -> None:
    backplane = PostgresBackplane(postgres_url)
    async with heard(backplane, "a") as found, await AsyncConnection.connect(postgres_url, autocommit=True) as admin:
        other = await backplane.connect(Heard())
        others = "pid <> pg_backend_pid() AND application_name = 'hubline'"
        await admin.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}".encode())
        await admin.execute(statements("hubline_messages").send, ([b"a"], [b"meanwhile"]))
        assert await found.take(1) == [("a", b"meanwhile")]
        assert found.gaps == []
        assert all("the connection is made anew" in record.message for record in caplog.records)
        await other.close()


async def test_messages_of_a_statement_arrive_in_order_and_larger_ones_too(postgres_url: str) -> None:
    backplane = PostgresBackplane(postgres_url)
    async with heard(backplane, "a", "b") as found:
        link = await backplane.connect(Heard())
        payloads = [bytes([number % 256]) * (300_000 if number % 100 == 0 else 3) for number in range(2_000)]
        await asyncio.gather(*(link.publish(["a", "other"], payload) for payload in payloads))
        assert [payload for _, payload in await found.take(2_000)] == payloads
        await link.close()


async def test_old_messages_are_emptied_between_those_that_are_written(postgres_url: str) -> None:
    clock = ManualClock()
    backplane = PostgresBackplane(postgres_url, clock=clock)
    await backplane.create()
    async with await AsyncConnection.connect(postgres_url, autocommit=True) as admin:
        ((current,),) = await (await admin.execute(statements("hubline_messages").current)).fetchall()
        insert = "INSERT INTO hubline_messages (part, channel, payload) VALUES (%s, 'a', 'old')"
        for old in {0, 1, 2} - {current}:  # the minute may end meanwhile
            await admin.execute(insert, (old,))
        link = await backplane.connect(Heard())
        for _ in range(3):
            await link.publish(["a"], b"x")  # when one is stored, that before it has been cleaned up after
            await clock.advance(PAUSE)
        rows = await (await admin.execute("SELECT FROM hubline_messages WHERE payload = 'old'")).fetchall()
        assert len(rows) == 1
        await link.close()


async def test_a_table_that_is_dropped_is_made_anew_and_the_gap_is_told(postgres_url: str) -> None:
    backplane = PostgresBackplane(postgres_url)
    found = HeardGap()
    async with (
        heard(backplane, "a", found=found),
        await AsyncConnection.connect(postgres_url, autocommit=True) as admin,
    ):
        link = await backplane.connect(Heard())
        for number in range(3):
            await link.publish(["a"], b"%d" % number)
        await found.take(3)
        await admin.execute("DROP TABLE hubline_messages; DROP SEQUENCE hubline_messages_positions")
        with pytest.raises(BackplaneError, match="does not exist"):
            await link.publish(["a"], b"lost")
        await admin.execute("SELECT pg_notify('hubline_messages', '')")  # the reader looks, and the table is not there
        async with asyncio.timeout(LIMIT):
            await found.told.wait()
        other = await PostgresBackplane(postgres_url).connect(Heard())
        await other.publish(["a"], b"again")
        assert await found.take(1) == [("a", b"again")]
        await link.close()
        await other.close()


async def test_partitions_that_are_dropped_are_made_anew(postgres_url: str) -> None:
    backplane = PostgresBackplane(postgres_url)
    async with await AsyncConnection.connect(postgres_url, autocommit=True) as admin:
        link = await backplane.connect(Heard())
        await admin.execute("DROP TABLE hubline_messages_0, hubline_messages_1, hubline_messages_2")
        with pytest.raises(BackplaneError, match="no partition"):
            await link.publish(["a"], b"lost")
        await until_it_publishes(link, "a")
        async with heard(backplane, "a") as found:
            await link.publish(["a"], b"heard")
            assert await found.take(1) == [("a", b"heard")]
        await link.close()


async def test_a_task_that_outlives_its_block_sends_without_the_transaction(postgres_url: str) -> None:
    async with (
        Publisher(postgres_url, News, name=NAME) as publisher,
        heard(PostgresBackplane(postgres_url), f"{NAME}:all") as found,
        await AsyncConnection.connect(postgres_url) as connection,
    ):
        ended = asyncio.Event()

        async def outlive() -> None:
            await ended.wait()
            await publisher.clients.all.send("Told", "later")

        async with PostgresBackplane(postgres_url).within(connection):
            task = asyncio.create_task(outlive())
        ended.set()
        await task
        assert len(await found.take(1)) == 1


async def test_a_connection_of_sqlalchemy_commits_what_was_its_first_statement(postgres_url: str) -> None:
    backplane = PostgresBackplane(postgres_url)
    async with heard(backplane, "a") as found, engine_at(postgres_url) as engine, engine.connect() as connection:
        await backplane.send_within(connection, ["a"], b"first")
        await connection.commit()
        assert await found.take(1) == [("a", b"first")]


async def test_a_connection_of_another_kind_is_told(postgres_url: str) -> None:
    with pytest.raises(
        TypeError,
        match="object of builtins cannot take part: `async with` wants an asynchronous connection of psycopg 3",
    ):
        await PostgresBackplane(postgres_url).send_within(object(), ["a"], b"x")


async def test_a_database_that_is_not_there_is_told(postgres_url: str) -> None:
    with pytest.raises(BackplaneError, match="cannot be reached"):
        await PostgresBackplane(postgres_url.replace("/test_", "/no_")).connect(Heard())


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"table": "a-b"}, "table"),
        ({"table": "A"}, "table"),
        ({"poll": 0}, "poll"),
        ({"address": "nonsense=1"}, "no address"),
    ],
)
def test_mistakes_in_the_settings_are_told(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        PostgresBackplane(settings.pop("address", "postgresql://localhost/x"), **settings)


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("postgres//me:secret@localhost/x", "what was given is no address of a PostgreSQL database"),
        ("passwrd=secret password=secret", "what was given is no address of a PostgreSQL database"),
        ("postgresql+psycopg://me:secret@localhost/x", "what was given .*: it is one of SQLAlchemy's"),
        ("nonsense=1", "'nonsense=1' is no address of a PostgreSQL database: invalid connection option"),
    ],
)
def test_a_wrong_address_is_told_without_its_password(address: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told) as raised:
        PostgresBackplane(address)
    assert "secret" not in str(raised.value)
