"""Old messages in PostgreSQL: emptied when nobody can miss them, and without making others wait."""

import logging
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from psycopg import AsyncConnection, sql

from hubline.backplanes.postgres import PostgresBackplane
from hubline.backplanes.postgres_cleaning import PAUSE, Cleaning
from hubline.backplanes.postgres_connections import Connections
from hubline.backplanes.postgres_tables import statements
from hubline.errors import BackplaneError
from hubline.sql.postgres import dialect, reach
from hubline.testing import ManualClock
from hubline.testing.backplane import Heard

pytestmark = pytest.mark.postgres

FIXED = replace(statements("hubline_messages"), current=sql.SQL("SELECT 1"))  # type: ignore[arg-type]
"""As if the minute did not end: partition 2 is emptied."""

INSERT = "INSERT INTO hubline_messages (part, channel, payload) VALUES (2, 'a', 'old')"


@pytest.fixture
async def connection(postgres_url: str) -> AsyncIterator[AsyncConnection]:
    await PostgresBackplane(postgres_url).create()
    async with await AsyncConnection.connect(postgres_url, autocommit=True) as connection:
        yield connection


async def left(connection: AsyncConnection) -> int:
    ((count,),) = await (await connection.execute("SELECT count(*) FROM hubline_messages")).fetchall()
    return int(count)


async def test_the_second_look_empties_and_only_after_a_pause(connection: AsyncConnection) -> None:
    clock = ManualClock()
    cleaning = Cleaning(FIXED, clock)
    await connection.execute(INSERT)
    for _ in range(3):
        await cleaning.look(connection)
    assert await left(connection) == 1
    await clock.advance(PAUSE)
    await cleaning.look(connection)
    assert await left(connection) == 0


async def test_what_a_long_transaction_has_sent_is_kept_for_a_pause_after_its_end(
    connection: AsyncConnection, postgres_url: str
) -> None:
    clock = ManualClock()
    cleaning = Cleaning(FIXED, clock)
    async with await AsyncConnection.connect(postgres_url) as long:
        await long.execute(INSERT)
        for _ in range(3):
            await cleaning.look(connection)
            await clock.advance(PAUSE)
        await long.commit()
        await cleaning.look(connection)
        assert await left(connection) == 1
        await clock.advance(PAUSE)
        await cleaning.look(connection)
        assert await left(connection) == 0


async def test_a_backup_that_reads_the_table_only_delays_it(connection: AsyncConnection, postgres_url: str) -> None:
    clock = ManualClock()
    cleaning = Cleaning(FIXED, clock)
    await connection.execute(INSERT)
    async with await AsyncConnection.connect(postgres_url) as backup:
        await backup.execute("SELECT FROM hubline_messages")
        for _ in range(2):
            await cleaning.look(connection)
            await clock.advance(PAUSE)
        assert await left(connection) == 1
    for _ in range(2):
        await cleaning.look(connection)
        await clock.advance(PAUSE)
    assert await left(connection) == 0


@pytest.mark.parametrize("tables", ["ALL TABLES IN SCHEMA public", "hubline_messages"])
async def test_a_role_that_may_not_is_told_once(
    connection: AsyncConnection, caplog: pytest.LogCaptureFixture, tables: str
) -> None:
    clock = ManualClock()
    cleaning = Cleaning(FIXED, clock)
    await connection.execute(INSERT)
    await connection.execute(f"CREATE ROLE hubline_reader; GRANT SELECT ON {tables} TO hubline_reader".encode())
    try:
        await connection.execute("SET ROLE hubline_reader")
        with caplog.at_level(logging.WARNING, "hubline.backplane"):
            for _ in range(3):
                await cleaning.look(connection)
                await clock.advance(PAUSE)
    finally:
        await connection.execute("RESET ROLE; DROP OWNED BY hubline_reader; DROP ROLE hubline_reader")
    assert [record.message for record in caplog.records] == [
        "old messages in PostgreSQL stay for now: permission denied for table hubline_messages_2"
    ]


async def test_a_role_that_may_make_no_tables_is_told_who_makes_them(
    connection: AsyncConnection, postgres_url: str
) -> None:
    await connection.execute("CREATE ROLE hubline_poor LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    await connection.execute("CREATE SCHEMA empty; GRANT USAGE ON SCHEMA empty TO hubline_poor")
    poor = postgres_url.replace("postgres@", "hubline_poor@")
    poor += f"{'&' if '?' in poor else '?'}options=-csearch_path%3Dempty"
    try:
        runs = dialect("poor", ["version"])
        for call, trying in (
            ("PostgresBackplane(address).create()", PostgresBackplane(poor).connect(Heard())),
            ("make_tables()", reach(Connections(poor), runs, ["CREATE TABLE {version} (version INT)"], 1, "the log")),
        ):
            with pytest.raises(BackplaneError, match="permission denied for schema empty") as caught:
                await trying
            assert f"makes the tables first, with `{call}`" in str(caught.value)
            assert "\n" not in str(caught.value)
    finally:
        await connection.execute("DROP SCHEMA empty; DROP OWNED BY hubline_poor; DROP ROLE hubline_poor")
