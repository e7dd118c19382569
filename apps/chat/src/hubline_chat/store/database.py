"""The database: opening, reading, writing, and the errors."""

import asyncio
import logging
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy import URL, Connection, event, make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from hubline import ConfigurationError, HubError
from hubline_chat.store.claim import claimed
from hubline_chat.store.migrate import migrate

logger = logging.getLogger("hubline_chat")

BUSY_SECONDS = 5
"""Seconds that SQLite waits for another program that writes, and that PostgreSQL may take to answer."""
REPEAT_SECONDS = 60.0
"""Seconds between two log lines for the same reason."""

_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
_WRITES = "hubline_chat_writes"
_FAILURES = (SQLAlchemyError, OSError, sqlite3.Error)
_FULL = ("disk is full", "no space left", "disk full")

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class StoreError(HubError):
    """The database could not read or write. The text is for people; the log has the details."""


class Database:
    """One SQLite file or one PostgreSQL database.

    SQLite uses write-ahead logging, so that readers do not wait. It takes its lock when a writing transaction begins:
    two transactions that read first and then both want to write would block each other.
    """

    def __init__(self, url: str) -> None:
        """Raises ConfigurationError when the URL is not of a supported database."""
        self._url = database_url(url)
        self._logged = ("", float("-inf"))
        self._running: set[asyncio.Task[Any]] = set()
        try:
            self._engine = create_async_engine(self._url, **_engine_options(self._url))
        except ModuleNotFoundError as error:
            way_out = "pip install 'psycopg[binary]'"
            raise ConfigurationError([f"HUBLINE_CHAT_DATABASE needs a driver ({error}): {way_out}"]) from error
        self._writer = self._engine.execution_options(**{_WRITES: True})
        if self.is_sqlite:
            event.listen(self._engine.sync_engine, "connect", _prepare_sqlite)
            event.listen(self._engine.sync_engine, "begin", _begin_sqlite)

    @property
    def is_sqlite(self) -> bool:
        return self._url.get_backend_name() == "sqlite"

    @property
    def name(self) -> str:
        """Its location, without a password."""
        return _named(self._url)

    async def open(self) -> None:
        """Migrate the tables to this version. Several processes may do this at once.

        Raises:
            ConfigurationError: the database cannot be reached or written, or belongs to a newer version.
        """
        try:
            if self.is_sqlite and self._url.database:
                Path(self._url.database).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            async with self._writer.begin() as connection:
                await connection.run_sync(migrate)
        except _FAILURES as error:
            raise ConfigurationError([f"the database {self.name} cannot be used: {_details(error)}"]) from error

    async def close(self) -> None:
        """Wait for the transactions that are running, and close."""
        while self._running:
            await asyncio.wait(self._running)
        await self._engine.dispose()

    async def finish(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run `work` to its end, even if the caller is cancelled."""
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._finished)
        return await asyncio.shield(task)

    def claimed(self) -> AbstractAsyncContextManager[None]:
        """Be the only process that serves this database while the block runs. Raises Taken, a ConfigurationError."""
        return claimed(self._engine, self.name)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that only reads. Raises StoreError."""
        with self._translated("read"):
            async with self._engine.connect() as connection:
                yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction, committed at the end of the block.

        Raises:
            IntegrityError: the new data contradicts the existing data; the caller handles it.
            StoreError: nothing was written.
        """
        with self._translated("store"):
            async with self._writer.begin() as connection:
                yield connection

    def _finished(self, task: "asyncio.Task[Any]") -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # no task may be waiting for it any more, and failures have been logged

    @contextmanager
    def _translated(self, verb: str) -> Iterator[None]:
        try:
            yield
        except IntegrityError:
            raise
        except _FAILURES as error:
            details = _details(error)
            self._log(f"the database could not {verb}: {details}")
            reason = ", because its disk is full" if any(each in details.lower() for each in _FULL) else ""
            raise StoreError(f"The server cannot {verb} anything at the moment{reason}. Try again later.") from error

    def _log(self, text: str) -> None:
        now, (last, at) = time.monotonic(), self._logged
        if text != last or now - at > REPEAT_SECONDS:
            self._logged = (text, now)
            logger.error("%s", text)


class Table(Protocol):
    """An object with transactions on a database."""

    @property
    def database(self) -> Database: ...


Self = TypeVar("Self", bound=Table)
Method = Callable[Concatenate[Self, Arguments], Coroutine[Any, Any, Result]]


def unbroken(method: "Method[Self, Arguments, Result]") -> "Method[Self, Arguments, Result]":
    """Protect a transaction from cancellation: SQLite would keep its lock, and nothing more could be written.

    Hub methods and jobs are cancelled at the end of the server, while the driver's thread may be working.
    """

    @wraps(method)
    async def run(table: Self, /, *arguments: Arguments.args, **named: Arguments.kwargs) -> Result:
        return await table.database.finish(method(table, *arguments, **named))

    return run


def database_url(text: str) -> URL:
    """The URL with the driver that is used here, for `sqlite:///…` and `postgresql://…`.

    Raises:
        ConfigurationError: it is not such a URL. The error does not repeat it, because it may have a password.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:
        raise ConfigurationError(["HUBLINE_CHAT_DATABASE is no URL: write sqlite:///path or postgresql://…"]) from error
    driver = _DRIVERS.get(url.drivername)
    if driver is None:
        problem = f"HUBLINE_CHAT_DATABASE begins with {url.drivername}: write sqlite:///path or postgresql://…"
        raise ConfigurationError([problem])
    if driver == _DRIVERS["sqlite"] and url.database in (None, "", ":memory:"):
        raise ConfigurationError(["HUBLINE_CHAT_DATABASE names no file: write sqlite:///path"])
    return url.set(drivername=driver)


def database_name(text: str) -> str:
    """Where a database is, without a password. Raises ConfigurationError."""
    return _named(database_url(text))


def _named(url: URL) -> str:
    is_sqlite = url.get_backend_name() == "sqlite"
    return str(url.database) if is_sqlite else url.set(drivername="postgresql").render_as_string(hide_password=True)


def _engine_options(url: URL) -> dict[str, Any]:
    if url.get_backend_name() == "sqlite":
        return {"connect_args": {"timeout": BUSY_SECONDS}, "pool_timeout": 2 * BUSY_SECONDS}
    return {"connect_args": {"connect_timeout": BUSY_SECONDS}, "pool_pre_ping": True, "pool_timeout": 2 * BUSY_SECONDS}


def _prepare_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # SQLAlchemy begins transactions, not Python's module: see `_begin_sqlite`
    connection.run_async(_write_ahead)
    cursor = connection.cursor()
    for pragma in ("synchronous = NORMAL", "foreign_keys = ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


async def _write_ahead(connection: Any) -> None:
    """Turn WAL on. Retries, because programs that do it at once conflict, and SQLite does not wait for that lock."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            await connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        await asyncio.sleep(0.01)


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _details(error: BaseException) -> str:
    """The error of the database, on one line."""
    original = getattr(error, "orig", None) or error
    return " ".join(str(original).split()) or type(original).__name__
