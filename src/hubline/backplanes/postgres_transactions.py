"""Messages that belong to a transaction of the application: on its own connection, awaited or not."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import Token
from types import TracebackType
from typing import Any

from psycopg import AsyncConnection, Connection
from psycopg.errors import UndefinedTable
from psycopg.pq import TransactionStatus

from hubline.backplanes import base
from hubline.backplanes.postgres_tables import Statements
from hubline.errors import BackplaneError

__all__ = ["InTransaction", "names_of", "send"]

AWAITED = "`async with` wants an asynchronous connection of psycopg 3, or one of SQLAlchemy on postgresql+psycopg://"
BLOCKING = "`with` wants a connection that is not awaited, of psycopg 3, SQLAlchemy on postgresql+psycopg:// or Django"


class InTransaction:
    """A block: what is sent in it belongs to the transaction of a connection. With `async with`, or with `with`."""

    def __init__(
        self,
        connection: Any,
        statements: Statements,
        takes: Callable[[base.Backplane], bool],
        create: Callable[[], Coroutine[Any, Any, None]],
    ) -> None:
        """`takes` says whether messages of a backplane may be in the database. `create` makes the table."""
        self._connection, self._statements, self._takes, self._create = connection, statements, takes, create
        self._entered: list[tuple[Transaction, Token[base.Transaction | None]]] = []

    async def __aenter__(self) -> None:
        await self._create()
        self._begin()

    def __enter__(self) -> None:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            with ThreadPoolExecutor(1) as thread:  # the loop that this thread may have stays as it is
                thread.submit(lambda: asyncio.run(self._create())).result()
            self._begin()
        else:
            raise RuntimeError("`with` would block this event loop: use `async with`, and await the calls")

    async def __aexit__(self, *_: object) -> None:
        self._end()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()

    def _begin(self) -> None:
        ours = Transaction(self._connection, self._statements, self._takes)
        self._entered.append((ours, base.transaction.set(ours)))

    def _end(self) -> None:
        ours, before = self._entered.pop()
        base.transaction.reset(before)
        ours.over = True


class Transaction:
    """The transaction that messages of a task or thread belong to."""

    def __init__(self, connection: Any, statements: Statements, takes: Callable[[base.Backplane], bool]) -> None:
        self._connection, self._statements, self.takes = connection, statements, takes
        self.over = False

    async def send(self, channels: Sequence[str], payload: bytes) -> None:
        await send(self._connection, self._statements, channels, payload)

    def send_blocking(self, channels: Sequence[str], payload: bytes) -> None:
        rows = _rows(channels, payload)
        connection = _blocking(self._connection)
        with _same_tables(self._statements):
            connection.execute(self._statements.send, rows)


async def send(connection: Any, statements: Statements, channels: Sequence[str], payload: bytes) -> None:
    """Add a message to the transaction of an asynchronous connection."""
    rows = _rows(channels, payload)
    found = await _awaited(connection)
    with _same_tables(statements):
        await found.execute(statements.send, rows)


def names_of(channels: Sequence[str]) -> list[bytes]:
    """As the table has them. Raises BackplaneError."""
    try:
        return [channel.encode() for channel in channels]
    except UnicodeEncodeError as error:
        raise BackplaneError(f"a channel has a name that UTF-8 cannot carry: {error}") from error


def _rows(channels: Sequence[str], payload: bytes) -> tuple[list[bytes], list[bytes]]:
    """What the statement `send` takes for one message. Raises BackplaneError."""
    return names_of(channels), [payload] * len(channels)


async def _awaited(connection: Any) -> AsyncConnection[Any]:
    """The connection of psycopg below one of SQLAlchemy."""
    found = connection
    if hasattr(found, "sync_session"):  # SQLAlchemy's AsyncSession
        found = await found.connection()
    if hasattr(found, "sync_connection"):  # SQLAlchemy's AsyncConnection
        if not found.in_transaction():
            await found.begin()  # as with any statement; it could not commit what it knows nothing of
        found = (await found.get_raw_connection()).driver_connection
    if not isinstance(found, AsyncConnection):
        raise TypeError(f"{_kind(connection, found)} cannot take part: {AWAITED}")
    _check_transaction(found)
    return found


def _blocking(connection: Any) -> Connection[Any]:
    """The connection of psycopg below one of SQLAlchemy or Django."""
    found = connection
    if hasattr(found, "get_bind") and not hasattr(found, "sync_session"):  # SQLAlchemy's Session
        found = found.connection()
    if hasattr(found, "exec_driver_sql") and not hasattr(found, "sync_connection"):  # SQLAlchemy's Connection
        if not found.in_transaction():
            found.begin()
        found = found.connection.driver_connection
    elif hasattr(found, "ensure_connection"):  # Django's
        found.ensure_connection()
        found = found.connection
    if not isinstance(found, Connection):
        raise TypeError(f"{_kind(connection, found)} cannot take part: {BLOCKING}")
    _check_transaction(found)
    return found


@contextmanager
def _same_tables(statements: Statements) -> Iterator[None]:
    """Raises BackplaneError where the connection is to another database, or looks in other schemas."""
    try:
        yield
    except UndefinedTable as error:
        raise BackplaneError(
            f"the connection of the transaction does not see the table {statements.table}: it needs the database and "
            "the search_path of the backplane's address"
        ) from error


def _check_transaction(connection: AsyncConnection[Any] | Connection[Any]) -> None:
    """Raises RuntimeError where each statement is a transaction of its own: nothing could be rolled back."""
    if connection.autocommit and connection.info.transaction_status is TransactionStatus.IDLE:
        raise RuntimeError("the connection has `autocommit` and no transaction, so the message would be sent at once")


def _kind(connection: Any, found: Any) -> str:
    """What was given, and what is below it: `AsyncConnection of sqlalchemy.ext, with Connection of asyncpg`."""
    given, below = (f"{type(each).__qualname__} of {type(each).__module__}" for each in (connection, found))
    return given if given == below else f"{given}, with {below},"
