"""Programs on a connection to PostgreSQL."""

import logging
from typing import Any

import pytest
from psycopg import AsyncConnection
from psycopg.errors import UndefinedTable

from hubline.sql.postgres import Session, dialect
from hubline.sql.programs import Ask, Program

pytestmark = pytest.mark.postgres


def failing() -> Program[None]:
    """Goes on until it is known that the first statement has failed: the others are aborted then."""
    while True:
        yield Ask("INSERT INTO nowhere VALUES (1)", ())


def asking() -> Program[Any]:
    return (yield Ask("SELECT 1", ()))


async def test_a_program_that_fails_says_why_and_nothing_else(
    postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with await AsyncConnection.connect(postgres_url, autocommit=True, prepare_threshold=None) as connection:
        session = Session(connection, dialect("runs", ["entries"]), None)
        with caplog.at_level(logging.WARNING, "psycopg"), pytest.raises(UndefinedTable, match="nowhere"):
            await session.run(failing())
        assert caplog.messages == [], "psycopg would print that the rest of the pipeline is aborted"
        assert await session.run(asking()) == [(1,)], "the connection can be used again"
