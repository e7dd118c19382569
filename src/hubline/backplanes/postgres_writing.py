"""The connection that adds messages to the table. Those of one turn of the event loop are one statement."""

import asyncio
from collections import deque
from contextlib import suppress
from functools import partial
from typing import Any

from psycopg import AsyncConnection, DatabaseError, OperationalError
from psycopg.errors import CheckViolation, UndefinedTable

from hubline._clock import Clock
from hubline.backplanes.lines import Broker, Line
from hubline.backplanes.postgres_cleaning import PAUSE, Cleaning
from hubline.backplanes.postgres_connections import Connections, asked, patiently
from hubline.backplanes.postgres_tables import Statements
from hubline.errors import BackplaneError

LOST = OperationalError, UndefinedTable, CheckViolation
"""After these the connection is opened anew: the table, or its partition, is made then if it is not there."""

UNANSWERED = 64 * 1024 * 1024
"""Bytes that may wait for the database. Further messages are refused. Ours."""

TOGETHER = 1024 * 1024
"""Bytes of one statement, unless one message alone has more. Ours."""

OVERHEAD = 64
"""Bytes counted for a message, in addition to its payload and channel. Ours."""


class Sent:
    """One message that is not stored yet, on one or several channels."""

    __slots__ = ("channels", "done", "payload", "size")

    def __init__(self, channels: list[bytes], payload: bytes) -> None:
        self.channels, self.payload = channels, payload
        self.size = sum(len(channel) + len(payload) + OVERHEAD for channel in channels)
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Writing(Line[AsyncConnection[Any]]):
    """Stores messages in the order of the calls, and cleans up in between."""

    def __init__(self, connections: Connections, statements: Statements, clock: Clock, broker: Broker) -> None:
        super().__init__("writing to PostgreSQL", partial(connections.open_table, statements), clock, broker)
        self._statements = statements
        self._waiting: deque[Sent] = deque()
        self._added = asyncio.Event()
        self._unanswered = 0

    async def publish(self, channels: list[bytes], payload: bytes) -> None:
        """Returns when the message is stored. Raises BackplaneError: it was not stored, or that is unknown."""
        self.connection  # noqa: B018  # raises while there is none
        message = Sent(channels, payload)
        if self._unanswered and self._unanswered + message.size > UNANSWERED:
            raise BackplaneError(f"PostgreSQL does not keep up: {self._unanswered} bytes wait for it")
        self._unanswered += message.size
        self._waiting.append(message)
        self._added.set()
        await message.done

    async def _use(self, connection: AsyncConnection[Any]) -> None:
        self._is_ready(connection)
        cleaning = Cleaning(self._statements, self._clock)
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(PAUSE):
                    await asked(connection, self._added)
            while self._waiting:
                await self._store(connection, self._batch())
            async with patiently(connection):
                await cleaning.look(connection)

    def _batch(self) -> list[Sent]:
        batch = [self._waiting.popleft()]
        size = batch[0].size
        while self._waiting and size + self._waiting[0].size <= TOGETHER:
            batch.append(self._waiting.popleft())
            size += batch[-1].size
        return batch

    async def _store(self, connection: AsyncConnection[Any], batch: list[Sent]) -> None:
        rows = [(channel, message.payload) for message in batch for channel in message.channels]
        channels, payloads = [list(column) for column in zip(*rows, strict=True)]
        error: Exception | None = BackplaneError("the connection was dropped")  # if this task is cancelled
        try:
            async with patiently(connection):
                await connection.execute(self._statements.send, (channels, payloads))
            error = None
        except (BackplaneError, DatabaseError) as refused:
            error = refused
        finally:
            for message in batch:
                self._unanswered -= message.size
                if not message.done.done():
                    if error is None:
                        message.done.set_result(None)
                    else:
                        message.done.set_exception(BackplaneError(f"PostgreSQL has not stored a message: {error}"))
        if isinstance(error, (BackplaneError, *LOST)):
            raise error

    async def _end(self, connection: AsyncConnection[Any], error: Exception | None) -> None:
        failed, self._waiting = list(self._waiting), deque()
        for message in failed:
            self._unanswered -= message.size
            if not message.done.done():
                message.done.set_exception(BackplaneError(f"the connection to PostgreSQL was lost: {error}"))
        with suppress(Exception):
            await connection.close()
