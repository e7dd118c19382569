"""PostgreSQL as a backplane, and messages that belong to a transaction. Needs the extra `postgres`.

Messages are rows of a table that every server reads by position. A flush of messages is one statement with one NOTIFY,
because each NOTIFY takes a lock of the whole database when it commits.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from hubline._clock import Clock, MonotonicClock
from hubline._mistakes import Mistakes
from hubline.backplanes.base import Backplane, BackplaneLink, BackplaneListener
from hubline.backplanes.lines import Broker
from hubline.backplanes.postgres_connections import Connections, check_settings, why
from hubline.backplanes.postgres_reading import Reading
from hubline.backplanes.postgres_tables import statements
from hubline.backplanes.postgres_transactions import InTransaction, names_of, send
from hubline.backplanes.postgres_writing import Writing
from hubline.errors import BackplaneError

__all__ = ["PostgresBackplane"]


class PostgresBackplane:
    """Connects servers through one PostgreSQL database (14 or newer).

    `address` is a URL (`postgresql://user:password@host/database`) or a string of settings, as in libpq. `table` is
    made if it does not exist, with two more names that begin with its name. If the role may not make tables, make
    them before (`PostgresBackplane.create`). A server has three connections: to write, to read, and to LISTEN for new
    messages. `poll` replaces the last one: it is the seconds between two reads, for a pool in transaction mode
    (PgBouncer), which does not pass NOTIFY on. With `local_first`, clients of the sending server get a message at once.

    Messages are kept for at least one minute, so a server that was disconnected for less loses none.

    Raises:
        ConfigurationError: with every mistake in the settings.
    """

    def __init__(
        self,
        address: str,
        *,
        table: str = "hubline_messages",
        poll: float | None = None,
        local_first: bool = False,
        clock: Clock | None = None,
    ) -> None:
        mistakes = Mistakes("PostgresBackplane")
        check_settings(mistakes, table, poll)
        mistakes.tell()
        self._connections, self._statements = Connections(address), statements(table)
        self._table, self._created = table, False
        self._poll, self.local_first, self._clock = poll, local_first, clock or MonotonicClock()

    async def create(self) -> None:
        """Make the table, if it is not there. `connect` and `within` do it too. Raises an error of psycopg."""
        if not self._created:
            await (await self._connections.open_table(self._statements)).close()
            self._created = True

    async def connect(self, listener: BackplaneListener) -> BackplaneLink:
        """Make a link; see `Backplane.connect`."""
        try:
            await self.create()
        except Exception as error:  # psycopg's, and those of the network
            reason = why(error, "PostgresBackplane(address).create()")
            raise BackplaneError(f"the backplane cannot be reached: {reason}") from error
        broker = Broker()
        writing = Writing(self._connections, self._statements, self._clock, broker)
        await writing.start()
        reading = Reading(
            self._connections, self._statements, listener, poll=self._poll, clock=self._clock, broker=broker
        )
        return PostgresLink(self, writing, reading)

    def within(self, connection: Any) -> InTransaction:
        """Messages that are sent in the block belong to the transaction of `connection`: by this task, or this thread.

        They are sent when the transaction commits, and not at all if it is rolled back. With `async with`, `connection`
        is an asynchronous connection of psycopg, or a connection or session of SQLAlchemy with psycopg. With `with`, in
        code that is not asynchronous, it is such a connection that is not awaited, or one of Django, and the block is
        for a `BlockingPublisher`. It is a connection to the same database. This applies only to messages: groups change
        and clients are asked at once.

        A message of a hub with another backplane raises a RuntimeError in the block. Each call of the block is one
        statement, which raises the errors of psycopg; BackplaneError: `connection` does not see the table.
        """
        return InTransaction(connection, self._statements, self._takes, self.create)

    async def send_within(self, connection: Any, channels: Sequence[str], payload: bytes) -> None:
        """Add a message to the transaction of an asynchronous connection."""
        await send(connection, self._statements, channels, payload)

    def _takes(self, backplane: Backplane) -> bool:
        return isinstance(backplane, PostgresBackplane) and backplane._table == self._table


class PostgresLink:
    """One server's connections."""

    def __init__(self, backplane: PostgresBackplane, writing: Writing, reading: Reading) -> None:
        self._writing, self._reading = writing, reading
        self._starting = asyncio.Lock()
        self._reads = self._closed = False

    async def publish(self, channels: Sequence[str], payload: bytes) -> None:
        if channels:
            names, before = names_of(channels), self._reading.notices.count
            await self._writing.publish(names, payload)
            self._reading.notices.stored(before)

    async def subscribe(self, channels: Sequence[str]) -> None:
        async with self._starting:
            if not self._reads:
                if self._closed:
                    raise BackplaneError("the link is closed")
                await self._reading.start()
                self._reads = True
        await self._reading.subscribe(channels)

    async def unsubscribe(self, channels: Sequence[str]) -> None:
        if self._reads:
            await self._reading.unsubscribe(channels)

    def renew(self) -> None:
        self._writing.renew()
        self._reading.renew()

    async def close(self) -> None:
        self._closed = True
        await self._writing.close()
        await self._reading.close()
