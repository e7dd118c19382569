"""Messages that belong to a transaction whose connection is not awaited: of psycopg, SQLAlchemy and Django."""

import asyncio
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from hubline import BackplaneError, BlockingPublisher, HubApp, HubRoute, Publisher
from hubline.backplanes import MemoryBackplane
from hubline.backplanes.postgres import PostgresBackplane
from hubline.testing import connect, running
from tests.backplanes.test_postgres import NAME, News, engine_at, heard

pytestmark = pytest.mark.postgres


@contextmanager
def _with_psycopg(url: str) -> Iterator[Any]:
    with psycopg.connect(url) as connection:
        yield connection


@contextmanager
def _engine(url: str) -> Iterator[Engine]:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def _with_sqlalchemy(url: str) -> Iterator[Any]:
    with _engine(url) as engine, engine.begin() as connection:
        yield connection


@contextmanager
def _with_a_session(url: str) -> Iterator[Any]:
    with _engine(url) as engine, Session(engine) as session, session.begin():
        yield session


def elsewhere(url: str) -> str:
    """The address of the same database, for connections that look for tables in another schema."""
    return f"{url}{'&' if '?' in url else '?'}options=-csearch_path%3Delsewhere"


@pytest.mark.parametrize("other", [elsewhere, lambda url: re.sub("/test_[^?]*", "/postgres", url)])
async def test_a_connection_that_does_not_see_the_table_is_told(postgres_url: str, other: Callable[[str], str]) -> None:
    backplane = PostgresBackplane(postgres_url)
    told = "does not see the table hubline_messages: it needs the database and the search_path of the backplane's"

    def blocking() -> None:
        with psycopg.connect(other(postgres_url)) as connection, backplane.within(connection):
            news.clients.all.send("Told", "no")

    with BlockingPublisher(backplane, News, name=NAME) as news, pytest.raises(BackplaneError, match=told):
        await asyncio.to_thread(blocking)
    async with await psycopg.AsyncConnection.connect(other(postgres_url)) as connection:
        with pytest.raises(BackplaneError, match=told):
            await backplane.send_within(connection, ["a"], b"no")


@pytest.mark.parametrize("transaction", [_with_psycopg, _with_sqlalchemy, _with_a_session])
async def test_a_program_that_awaits_nothing_sends_what_it_commits(
    postgres_url: str, transaction: Callable[[str], Any]
) -> None:
    backplane = PostgresBackplane(postgres_url)
    app = HubApp({"/news": HubRoute(News, name=NAME)}, backplane=PostgresBackplane(postgres_url))

    may_commit = threading.Event()

    def rolled_back() -> None:
        with transaction(postgres_url) as connection, backplane.within(connection):
            news.clients.all.send("Told", "never")
            raise ZeroDivisionError

    def committed() -> None:
        with transaction(postgres_url) as connection:
            with backplane.within(connection):
                news.clients.all.send("Told", "second")
            news.clients.all.send("Told", "first")  # the block has ended, and the transaction has not
            may_commit.wait()

    async with connect(app, "/news") as ada:
        await ada.invoke("Present")
        with BlockingPublisher(backplane, News, name=NAME) as news:
            with pytest.raises(ZeroDivisionError):
                await asyncio.to_thread(rolled_back)
            committing = asyncio.create_task(asyncio.to_thread(committed))
            try:
                assert await ada.expect("Told") == ["first"]
            finally:
                may_commit.set()
                await committing
            assert await ada.expect("Told") == ["second"]


async def test_a_connection_of_django_takes_part(postgres_url: str) -> None:
    async with heard(PostgresBackplane(postgres_url), f"{NAME}:all") as found:
        command = (sys.executable, "-m", "tests.backplanes.in_django", postgres_url)
        process = await asyncio.create_subprocess_exec(*command)
        assert await process.wait() == 0
        payloads = [payload for _, payload in await found.take(2)]
        assert [b"one" in payloads[0], b"two" in payloads[1]] == [True, True]
        assert found.messages.empty()


async def test_a_connection_of_sqlalchemy_that_has_not_begun_commits_what_was_sent(postgres_url: str) -> None:
    backplane = PostgresBackplane(postgres_url)

    def work(connection: Connection) -> None:
        with backplane.within(connection):
            BlockingPublisher(backplane, News, name=NAME).clients.all.send("Told", "one")
        connection.commit()

    async with heard(backplane, f"{NAME}:all") as found:
        with _engine(postgres_url) as engine, engine.connect() as connection:
            await asyncio.to_thread(work, connection)
        assert len(await found.take(1)) == 1


async def test_a_connection_of_the_other_kind_is_told(postgres_url: str) -> None:
    backplane = PostgresBackplane(postgres_url)
    waits = BlockingPublisher(backplane, News, name=NAME)

    def blocking(connection: Any) -> None:
        with (
            backplane.within(connection),
            pytest.raises(
                TypeError, match=f"{type(connection).__name__} of .*`with` wants a connection that is not awaited"
            ),
        ):
            waits.clients.all.send("Told", "never")

    async with (
        engine_at(postgres_url) as engine,
        AsyncSession(engine) as session,
        engine.connect() as connection,
        await psycopg.AsyncConnection.connect(postgres_url) as plain,
    ):
        for each in (session, connection, plain, object()):
            await asyncio.to_thread(blocking, each)
    with _engine(postgres_url) as sync, Session(sync) as ours, sync.connect() as other:
        for each in (ours, other):
            async with backplane.within(each), Publisher(backplane, News, name=NAME) as news:
                with pytest.raises(TypeError, match="`async with` wants an asynchronous connection of psycopg 3"):
                    await news.clients.all.send("Told", "never")


class _OfAsyncpg:
    """SQLAlchemy's AsyncConnection, whose driver is another one."""

    def in_transaction(self) -> bool:
        return True

    async def get_raw_connection(self) -> Any:
        return SimpleNamespace(driver_connection=Fraction())

    sync_connection = None


async def test_the_driver_below_sqlalchemy_is_named(postgres_url: str) -> None:
    backplane = PostgresBackplane(postgres_url)
    async with backplane.within(_OfAsyncpg()), Publisher(backplane, News, name=NAME) as news:
        with pytest.raises(TypeError, match=r"_OfAsyncpg of .*, with Fraction of fractions, .* postgresql\+psycopg://"):
            await news.clients.all.send("Told", "never")


async def test_with_autocommit_and_no_transaction_nothing_is_sent(postgres_url: str) -> None:
    backplane = PostgresBackplane(postgres_url)
    waits = BlockingPublisher(backplane, News, name=NAME)

    def blocking() -> None:
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            with backplane.within(connection), pytest.raises(RuntimeError, match="has `autocommit` and no transaction"):
                waits.clients.all.send("Told", "never")
            with connection.transaction(), backplane.within(connection):
                waits.clients.all.send("Told", "one")

    async with (
        heard(backplane, f"{NAME}:all") as found,
        await psycopg.AsyncConnection.connect(postgres_url, autocommit=True) as connection,
        Publisher(backplane, News, name=NAME) as news,
    ):
        async with backplane.within(connection):
            with pytest.raises(RuntimeError, match="has `autocommit` and no transaction"):
                await news.clients.all.send("Told", "never")
        await asyncio.to_thread(blocking)
        async with connection.transaction(), backplane.within(connection):
            await news.clients.all.send("Told", "two")
        async with connection.pipeline(), connection.transaction(), backplane.within(connection):
            await news.clients.all.send("Told", "three")
        payloads = [payload for _, payload in await found.take(3)]
        assert [b"one" in payloads[0], b"two" in payloads[1], b"three" in payloads[2]] == [True, True, True]


async def test_a_block_that_would_wait_for_the_event_loop_is_refused(postgres_url: str) -> None:
    with (
        psycopg.connect(postgres_url) as connection,
        pytest.raises(RuntimeError, match="use `async with`"),
        PostgresBackplane(postgres_url).within(connection),
    ):
        raise AssertionError("not entered")


async def test_a_hub_with_another_backplane_takes_part_in_no_transaction(postgres_url: str) -> None:
    """Its message would stay when the transaction is rolled back."""
    app = HubApp({"/news": HubRoute(News, name=NAME)}, backplane=MemoryBackplane())
    in_memory = Publisher(MemoryBackplane(), News, name=NAME)
    async with (
        running(app),
        await psycopg.AsyncConnection.connect(postgres_url) as connection,
        PostgresBackplane(postgres_url).within(connection),
    ):
        for clients in (app.context(News).clients, in_memory.clients):
            with pytest.raises(
                RuntimeError, match="a message of this MemoryBackplane cannot belong to the transaction"
            ):
                await clients.all.send("Told", "never")
        with pytest.raises(RuntimeError, match="a message of this PostgresBackplane cannot"):
            await Publisher(PostgresBackplane(postgres_url, table="others"), News).clients.all.send("Told", "never")
