"""Databases with the tables of this version, for tests that are about what is in them.

The sixteen migrations take longer than most of these tests: they run once in each process of tests, and then the result
is copied. That they lead from an empty database to these tables is for `store/test_database.py` and for every test that
starts the whole program.
"""

import tempfile
from functools import cache
from pathlib import Path

from sqlalchemy import create_engine

from hubline_chat.store.database import database_url
from hubline_chat.store.migrate import migrate
from tests import postgres

TEMPLATE = "prepared"


def sqlite(path: Path) -> str:
    """A new file at this place; its URL."""
    path.write_bytes(_sqlite())
    return f"sqlite:///{path}"


def postgresql(server: Path) -> str:
    """A new database of the server with this directory; its URL."""
    return postgres.made(server, template=_postgresql(server)).url


@cache
def _sqlite() -> bytes:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "chat.db"
        _migrated(f"sqlite:///{path}")
        return path.read_bytes()


@cache
def _postgresql(server: Path) -> str:
    postgres.execute(server, f"CREATE DATABASE {TEMPLATE}")
    _migrated(database_url(postgres.url(server, TEMPLATE)).render_as_string())
    return TEMPLATE


def _migrated(url: str) -> None:
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            migrate(connection)
    finally:
        engine.dispose()
