"""A connection whose requests of one turn of the event loop are written together. Redis answers in that order."""

import asyncio
from abc import abstractmethod
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, Generic, TypeVar

from hubline._clock import Clock
from hubline.backplanes.lines import PATIENCE, Line
from hubline.backplanes.redis_connections import Connection, Connections, ResponseError
from hubline.errors import BackplaneError

RequestT = TypeVar("RequestT")


class Pipeline(Line[Connection], Generic[RequestT]):
    """Writes requests in the order of the calls, and hands over the answers."""

    def __init__(self, name: str, connections: Connections, clock: Clock) -> None:
        super().__init__(name, connections.open, clock)
        self._waiting: list[RequestT] = []
        self._sent: deque[RequestT] = deque()
        """What Redis has not answered yet, the oldest first."""
        self._writer: asyncio.Task[None] | None = None

    @abstractmethod
    def _commands(self, request: RequestT) -> Iterable[Sequence[Any]]:
        """What is written for a request. Each command has an answer."""

    @abstractmethod
    def _answered(self, found: Any, error: ResponseError | None) -> None:
        """Handle the answer to one command of the oldest request, or its refusal."""

    @abstractmethod
    def _fail(self, request: RequestT, error: Exception | None) -> None:
        """The connection was lost before the answer."""

    def _add(self, connection: Connection, request: RequestT) -> None:
        self._waiting.append(request)
        if self._writer is None:
            self._writer = self._tasks.start(self._write(connection), name=self.name)

    async def _write(self, connection: Connection) -> None:
        """Write everything that is queued, also what is added meanwhile."""
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                self._sent.extend(batch)
                commands = [command for request in batch for command in self._commands(request)]
                await connection.send_packed_command(connection.pack_commands(commands), check_health=False)
            self._writer = None
        except Exception as error:
            self._fail_all(error)
            self.renew()

    async def _use(self, connection: Connection) -> None:
        self._is_ready(connection)
        asked = False
        while True:
            try:
                found = await connection.read_response(disable_decoding=True, timeout=PATIENCE / 2)
            except ResponseError as error:
                self._answered(None, error)
                continue
            if found is not None:
                asked = False
                self._answered(found, None)
            elif asked:
                raise BackplaneError(f"Redis has not answered within {PATIENCE:g} s")
            else:
                asked = bool(self._sent)

    async def _end(self, connection: Connection, error: Exception | None) -> None:
        if self._writer is not None:
            self._writer.cancel()
            self._writer = None
        self._fail_all(error)
        with suppress(Exception):
            await connection.disconnect(nowait=True)

    def _fail_all(self, error: Exception | None) -> None:
        failed, self._waiting = [*self._sent, *self._waiting], []
        self._sent.clear()
        for request in failed:
            self._fail(request, error)
