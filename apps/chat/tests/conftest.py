"""Databases to test with: SQLite always, PostgreSQL where its server is installed."""

import secrets
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from hubline_chat.store import Store
from tests import postgres

KINDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]


@pytest.fixture(params=KINDS)
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Makes an empty database each time it is called; its URL."""

    def sqlite() -> str:
        return f"sqlite:///{tmp_path / secrets.token_hex(4)}.db"

    def postgresql() -> str:
        return postgres.new_database(request.getfixturevalue("postgres_server"))

    return sqlite if request.param == "sqlite" else postgresql


@pytest.fixture
def database_url(new_url: Callable[[], str]) -> str:
    return new_url()


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    """An open store over an empty database of each kind."""
    store = Store(database_url)
    await store.open()
    yield store
    await store.close()
