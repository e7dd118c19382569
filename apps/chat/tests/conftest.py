"""Databases to test with: SQLite always, PostgreSQL where its server is installed."""

import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from apps.chat.tests import postgres
from hubline_chat.store import Store

KINDS = ["sqlite", pytest.param("postgresql", marks=[pytest.mark.postgres, pytest.mark.xdist_group("postgres")])]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Path]:
    with postgres.server() as directory:
        yield directory


@pytest.fixture(params=KINDS)
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Makes an empty database each time it is called; its URL."""

    def sqlite() -> str:
        return f"sqlite:///{tmp_path / secrets.token_hex(4)}.db"

    def postgresql() -> str:
        directory: Path = request.getfixturevalue("postgres_server")
        name = f"test_{secrets.token_hex(4)}"
        postgres.execute(directory, f"CREATE DATABASE {name}")
        return postgres.url(directory, name)

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
