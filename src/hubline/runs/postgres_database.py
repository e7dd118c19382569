"""A PostgreSQL database for a run log or rooms: one connection appends, one does the rest, and one LISTENs."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from psycopg import AsyncConnection

from hubline._clock import Clock
from hubline._tasks import TaskOwner
from hubline.backplanes.lines import Broker, Line
from hubline.backplanes.postgres_connections import Connections, patiently
from hubline.errors import BackplaneError
from hubline.runs.sql_database import Events, Schema, is_program
from hubline.runs.sql_nodes import take_mail
from hubline.sql.postgres import Asking, create_tables, dialect, reach
from hubline.sql.programs import Program, T

SELDOM = 0.25
"""Seconds between looks for news while nobody waits for them, where the database is polled. Ours."""


def _together(first: Any, other: Any) -> bool:
    return not is_program(first) and not is_program(other)


class Listening(Line[AsyncConnection[Any]]):
    """The connection that hears NOTIFY."""

    def __init__(
        self,
        name: str,
        connections: Connections,
        channel: str,
        node: str,
        events: Events,
        clock: Clock,
        broker: Broker,
    ) -> None:
        super().__init__(f"news of {name} in PostgreSQL", connections.open, clock, broker)
        self._channel, self._node, self._events = channel, node, events

    async def _use(self, connection: AsyncConnection[Any]) -> None:
        async with patiently(connection):
            await connection.execute(f'LISTEN "{self._channel}"'.encode())
        self._is_ready(connection)
        self._events.news()
        async for notice in connection.notifies():
            if not notice.payload or self._node in notice.payload.split(","):
                self._events.news()
        raise BackplaneError("the connection was closed")

    async def _end(self, connection: AsyncConnection[Any], error: Exception | None) -> None:
        with suppress(Exception):
            await connection.close()


class PostgresDatabase:
    """A `Database` with the tables of `schema`. `poll`: seconds between looks for news, instead of LISTEN."""

    def __init__(
        self,
        connections: Connections,
        table: str,
        schema: Schema,
        events: Events,
        node: str,
        *,
        poll: float | None,
        clock: Clock,
    ) -> None:
        self._connections, self._schema, self._events, self._node = connections, schema, events, node
        self._dialect = dialect(table, schema.tables)
        self._poll, self._clock = poll, clock
        notify, broker = table if poll is None else None, Broker()
        self._appending, self._asking = (
            Asking(
                f"{schema.name} in PostgreSQL",
                connections.open,
                self._dialect,
                clock,
                program=self._program,
                together=_together,
                notify=notify,
                returned=events.interrupted,
                broker=broker,
            )
            for _ in range(2)
        )  # so that an append never waits for what takes several round trips
        self._listening = (
            Listening(schema.name, connections, table, node, events, clock, broker) if poll is None else None
        )
        self._tasks = TaskOwner(f"hubline: polling for {schema.name}")
        self._hurried = asyncio.Event()

    async def start(self) -> None:
        """Connect. Raises BackplaneError."""
        kept = self._schema
        await reach(self._connections, self._dialect, kept.create, kept.known, kept.name)
        await self._appending.start()
        await self._asking.start()
        if self._listening is not None:
            await self._listening.start()
        else:
            self._tasks.start(self._look())

    async def run(self, program: Program[T], *, reads: bool = False) -> T:
        """Run a program. Raises BackplaneError."""
        found: T = await self._asking.do(program, reads=reads)
        return found

    async def append(self, request: Any) -> Any:
        """Add entries or messages. Raises BackplaneError."""
        return await self._appending.do(request)

    async def mail(self) -> list[tuple[str, str]]:
        """Take what has come. Its numbers do not rise in the order of the transactions, so it is not read by them."""
        return [(channel, body) for _, channel, body in await self.run(take_mail(self._node))]

    async def clean(self) -> None:
        """Remove what has expired. Raises BackplaneError."""
        await self.run(self._schema.clean(self._node, 0))

    def hurry(self, does: bool) -> None:
        """Look every `poll` seconds, or less often."""
        if does:
            self._hurried.set()
        else:
            self._hurried.clear()

    async def close(self) -> None:
        """Close all connections."""
        await self._tasks.cancel()
        for line in (self._listening, self._appending, self._asking):
            if line is not None:
                await line.close()

    def forget(self) -> None:
        """The connections belong to an event loop that does not run any more, so nothing can close them."""
        self._tasks.forget()

    def _program(self, works: Sequence[Any]) -> Program[list[Any]]:
        """All appends in one, or one program."""
        first = works[0]
        if is_program(first):
            return [(yield from first)]
        return (yield from self._schema.append(works))

    async def _look(self) -> None:
        assert self._poll is not None
        while True:
            self._events.news()
            if self._hurried.is_set():
                await self._clock.sleep(self._poll)
            else:
                with suppress(TimeoutError):
                    async with asyncio.timeout(max(self._poll, SELDOM)):
                        await self._hurried.wait()


async def make_tables(connections: Connections, table: str, schema: Schema) -> None:
    """Make the tables if they are not there. Raises psycopg's errors; BackplaneError: they are of a newer version."""
    await create_tables(connections, dialect(table, schema.tables), schema.create, schema.known, schema.name)
