"""Databases to test with: SQLite always, PostgreSQL where its server is installed."""

import secrets
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from apps.chat.tests import prepared
from hubline_chat.store import Store
from tests import postgres

KINDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def new_empty_url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Makes a database without tables each time it is called; its URL."""

    def postgresql() -> str:
        return postgres.new_database(request.getfixturevalue("postgres_server"))

    return (lambda: f"sqlite:///{_new(tmp_path)}") if kind == "sqlite" else postgresql


@pytest.fixture
def new_url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Makes a database with empty tables each time it is called; its URL."""

    def postgresql() -> str:
        return prepared.postgresql(request.getfixturevalue("postgres_server"))

    return (lambda: prepared.sqlite(_new(tmp_path))) if kind == "sqlite" else postgresql


def _new(directory: Path) -> Path:
    return directory / f"{secrets.token_hex(4)}.db"


@pytest.fixture
def database_url(new_url: Callable[[], str]) -> str:
    return new_url()


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    """An open store over a new database of each kind."""
    store = Store(database_url)
    await store.open()
    yield store
    await store.close()
