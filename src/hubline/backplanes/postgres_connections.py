"""Connections to PostgreSQL through psycopg. Each has one purpose, and no pool manages them."""

import asyncio
import os
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.errors import Error, InsufficientPrivilege

from hubline._mistakes import Mistakes
from hubline.backplanes.lines import PATIENCE
from hubline.backplanes.postgres_tables import Statements
from hubline.errors import BackplaneError, ConfigurationError

__all__ = ["Connections", "asked", "check_settings", "patiently", "shut_down"]

DEFAULTS = {
    "connect_timeout": round(PATIENCE),
    "application_name": "hubline",
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
"""Settings of libpq, unless the address has them. A connection that only hears notices within 30 seconds that its
network is gone; with the system's settings after 11 minutes. Ours."""


class Connections:
    """Opens connections to one database.

    Raises:
        ConfigurationError: the address is not valid.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        try:
            given = conninfo_to_dict(address)
        except Error as error:
            raise ConfigurationError([_no_address(address, error)]) from None
        self._defaults: dict[str, Any] = {name: value for name, value in DEFAULTS.items() if name not in given}

    async def open(self) -> AsyncConnection[Any]:
        """A connection that commits each statement and prepares none: a pool may send each to another connection."""
        async with asyncio.timeout(2 * PATIENCE):
            return await AsyncConnection.connect(
                make_conninfo(self._address, **self._defaults), autocommit=True, prepare_threshold=None
            )

    async def open_table(self, statements: Statements) -> AsyncConnection[Any]:
        """A connection; the table is made if it is not there."""
        connection = await self.open()
        try:
            async with patiently(connection):
                ((exists,),) = await (await connection.execute(statements.exists)).fetchall()
                if not exists:
                    await connection.execute(statements.create)
        except BaseException:
            await connection.close()
            raise
        return connection


@asynccontextmanager
async def patiently(connection: AsyncConnection[Any]) -> AsyncIterator[None]:
    """The statements of the block have 5 seconds. After that the connection is lost.

    Its socket is shut down. To cancel the task instead would take up to 10 seconds more where nothing gets through,
    because psycopg asks the database to cancel the statement, and waits for its end.

    Raises:
        BackplaneError: PostgreSQL has not answered in time.
    """
    given_up = False

    def give_up() -> None:
        nonlocal given_up
        given_up = True
        shut_down(connection)

    limit = asyncio.get_running_loop().call_later(PATIENCE, give_up)
    try:
        yield
    except (Error, OSError):
        if given_up:
            raise BackplaneError(f"PostgreSQL has not answered within {PATIENCE:g} s") from None
        raise
    finally:
        limit.cancel()


def shut_down(connection: AsyncConnection[Any]) -> None:
    """Have whoever waits for an answer get an error now.

    To close the connection under who waits would let another socket get its number, while the event loop still watches
    that: uvloop ends the process then.
    """
    with suppress(Error, OSError), socket.socket(fileno=os.dup(connection.fileno())) as same:
        same.shutdown(socket.SHUT_RDWR)


async def asked(connection: AsyncConnection[Any], event: asyncio.Event) -> None:
    """Wait for the event, and clear it, while nothing else uses the connection.

    An idle connection does not notice by itself that the database has ended it, so the next statement would fail though
    the database is back.

    Raises:
        psycopg.Error: the database has ended the connection.
    """
    loop, descriptor = asyncio.get_running_loop(), connection.fileno()
    ended: list[Error] = []

    def look() -> None:
        loop.remove_reader(descriptor)  # which is closed with the connection
        try:
            connection.pgconn.consume_input()
        except Error as error:
            ended.append(error)
            event.set()
        else:  # a notice, or the reason for an end that is still to come
            loop.add_reader(descriptor, look)

    loop.add_reader(descriptor, look)
    try:
        await event.wait()
    finally:
        if not ended:
            loop.remove_reader(descriptor)
    event.clear()
    if ended:
        raise ended[0]


def why(error: Exception, made_by: str) -> str:
    """The reason why tables cannot be used. `made_by` is the call that makes them."""
    if not isinstance(error, InsufficientPrivilege):
        return str(error)
    reason = error.diag.message_primary or str(error)
    return f"{reason} (a role that may makes the tables first, with `{made_by}`, and grants the rights of the guide)"


def _no_address(address: str, error: Error) -> str:
    """Without the password: what libpq says repeats the address, or the part of it that it did not understand."""
    secret = "@" in address or "password" in address
    given, why = ("what was given", "") if secret else (repr(address), f": {str(error).strip()}")
    if address.startswith(("postgresql+", "postgres+")):
        why = ": it is one of SQLAlchemy's; here it begins with postgresql://"
    return f"{given} is no address of a PostgreSQL database{why}"


def check_settings(mistakes: Mistakes, table: Any, poll: Any) -> None:
    """The settings that everything in PostgreSQL has: the name of its table, and seconds between two looks or none."""
    right = isinstance(table, str) and re.fullmatch(r"[a-z_][a-z0-9_]{0,40}", table) is not None
    mistakes.fits("table", table, right, "a name of at most 41 small letters, digits and underscores")
    mistakes.number("poll", poll, above=0, optional=True)
