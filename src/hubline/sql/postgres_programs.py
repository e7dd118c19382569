"""A PostgreSQL database for whoever only runs programs on it, on one connection."""

import asyncio
from collections.abc import Sequence
from typing import Any

from psycopg import AsyncConnection

from hubline._clock import Clock, MonotonicClock
from hubline._mistakes import Mistakes
from hubline.backplanes.postgres_connections import Connections, check_settings
from hubline.sql.postgres import Asking, create_tables, dialect, reach
from hubline.sql.programs import Program, T


class PostgresPrograms:
    """`Programs` at `address`, connected when it is first used, and anew in another event loop.

    Tables that are not there are made then: `table`, and more whose names begin with it. `name` is what errors call it.

    Raises:
        ConfigurationError: `mistakes`, and what else is not valid.
    """

    def __init__(
        self,
        mistakes: Mistakes,
        address: str,
        name: str,
        table: str,
        tables: Sequence[str],
        create: Sequence[str],
        known: int,
        *,
        clock: Clock | None,
    ) -> None:
        check_settings(mistakes, table, None)
        mistakes.tell()
        self._connections, self._name, self._clock = Connections(address), name, clock or MonotonicClock()
        self._dialect, self._create, self._known = dialect(table, tables), create, known
        self._asking: Asking[Program[Any]] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._starting: asyncio.Lock | None = None

    async def run(self, program: Program[T]) -> T:
        """Run a program. Raises BackplaneError."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop or self._starting is None:
            self._loop, self._asking, self._starting = loop, None, asyncio.Lock()
        async with self._starting:
            asking = self._asking or await self._start()
        found: T = await asking.do(program)
        return found

    async def close(self) -> None:
        """Close the connection."""
        asking, self._asking = self._asking, None
        if asking is not None and self._loop is asyncio.get_running_loop():
            await asking.close()

    async def make_tables(self) -> None:
        """Make the tables. Raises BackplaneError and psycopg's errors."""
        await create_tables(self._connections, self._dialect, self._create, self._known, self._name)

    async def _start(self) -> Asking[Program[Any]]:
        await reach(self._connections, self._dialect, self._create, self._known, self._name)
        where = f"{self._name} in PostgreSQL"
        asking: Asking[Program[Any]] = Asking(
            where, self._open, self._dialect, self._clock, program=_alone, together=lambda first, other: False
        )
        await asking.start()
        self._asking = asking
        return asking

    async def _open(self) -> AsyncConnection[Any]:
        return await self._connections.open()


def _alone(programs: Sequence[Program[Any]]) -> Program[list[Any]]:
    return [(yield from programs[0])]
