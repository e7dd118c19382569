"""Empties the partition of the table that is written to next: what is in it is two minutes old."""

import logging
from typing import Any

from psycopg import AsyncConnection, DatabaseError
from psycopg.errors import InsufficientPrivilege

from hubline._clock import Clock
from hubline.backplanes.postgres_tables import PARTS, PERIOD, Statements

logger = logging.getLogger("hubline.backplane")

PAUSE = PERIOD / 12
"""Seconds between two looks. Whoever waits for the lock of TRUNCATE makes everybody behind it wait, 0.1 seconds at
most, so it is asked for seldom: a backup reads the table for an hour, say. Ours."""


class Cleaning:
    """Looks every 5 seconds, and empties a partition at the second of two looks at which no transaction wrote to it.

    A transaction may have written to it long ago and commit just now; servers then have until the next look to read.
    Every server does this; the others find the partition empty.
    """

    def __init__(self, statements: Statements, clock: Clock) -> None:
        self._statements, self._clock = statements, clock
        self._due = float("-inf")
        self._done = self._unwritten = -1
        """Partitions: the one that was emptied last, and the one that no transaction wrote to at the last look."""
        self._told = False

    async def look(self, connection: AsyncConnection[Any]) -> None:
        """Do what is due."""
        if self._clock.now() < self._due:
            return
        self._due = self._clock.now() + PAUSE
        ((current,),) = await (await connection.execute(self._statements.current)).fetchall()
        following = (current + 1) % PARTS
        if following == self._done:
            return
        try:
            ((empty,),) = await (await connection.execute(self._statements.empty(following))).fetchall()
        except InsufficientPrivilege as error:  # no reason to give the connection up, which writes
            self._tell(error)
            return
        if empty:  # or a transaction has written to it that still runs
            return
        again, self._unwritten = following == self._unwritten, -1
        try:
            async with connection.transaction():
                await connection.execute(self._statements.bounded)
                await connection.execute(self._statements.unwritten(following))
                if again:
                    await connection.execute("SET LOCAL lock_timeout = '100ms'")
                    await connection.execute(self._statements.truncate(following))
        except DatabaseError as error:
            self._tell(error)
        else:
            self._done, self._unwritten = (following, -1) if again else (self._done, following)

    def _tell(self, error: DatabaseError) -> None:
        level = logging.DEBUG
        if isinstance(error, InsufficientPrivilege) and not self._told:
            level, self._told = logging.WARNING, True
        logger.log(level, "old messages in PostgreSQL stay for now: %s", error)
