"""The connection for commands: what is asked in one turn of the loop leaves together, answers come in that order."""

import asyncio
import hashlib
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from hubline._clock import Clock
from hubline.backplanes.lines import PATIENCE, Line
from hubline.backplanes.redis_connections import Connection, Connections, NoScriptError, ResponseError
from hubline.errors import BackplaneError


class Script:
    """A program that Redis runs as one step. Each of its keys has the same hash tag."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


class Commands(Line[Connection]):
    """Asks Redis, in the order in which it is asked to."""

    def __init__(self, connections: Connections, clock: Clock) -> None:
        super().__init__("asking Redis", connections.open, clock)
        self._waiting: list[tuple[Sequence[Any], asyncio.Future[Any]]] = []
        self._sent: deque[asyncio.Future[Any]] = deque()
        self._writer: asyncio.Task[None] | None = None

    async def call(self, *command: Any) -> Any:
        """The answer to a command, in bytes. It must be one whose answer is never nil: redis-py gives that for silence.

        Raises:
            BackplaneError: it was not sent, or nobody knows whether it was done, or Redis refuses it.
        """
        try:
            return await self._call(command)
        except ResponseError as error:
            raise BackplaneError(f"Redis has refused {command[0]}: {error}") from error

    async def run(self, script: Script, keys: Sequence[str], *arguments: Any) -> Any:
        """What a script answers. Raises BackplaneError as `call`."""
        try:
            return await self._call(("EVALSHA", script.digest, len(keys), *keys, *arguments))
        except NoScriptError:
            return await self.call("EVAL", script.text, len(keys), *keys, *arguments)
        except ResponseError as error:
            raise BackplaneError(f"Redis has refused a script: {error}") from error

    async def _call(self, command: Sequence[Any]) -> Any:
        connection = self.connection
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((command, answer))
        if self._writer is None:
            self._writer = self._tasks.start(self._write(connection), name=self.name)
        return await answer

    async def _write(self, connection: Connection) -> None:
        """Everything that waits, what is asked for meanwhile too."""
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                self._sent.extend(answer for _, answer in batch)
                packed = connection.pack_commands([command for command, _ in batch])
                await connection.send_packed_command(packed, check_health=False)
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
                answer = self._sent.popleft()
                if not answer.done():
                    answer.set_exception(error)
                continue
            if found is None and not asked:
                asked = bool(self._sent)
            elif found is None:
                raise BackplaneError(f"Redis has not answered within {PATIENCE:g} s")
            else:
                asked = False
                answer = self._sent.popleft()
                if not answer.done():
                    answer.set_result(found)

    async def _end(self, connection: Connection, error: Exception | None) -> None:
        if self._writer is not None:
            self._writer.cancel()
            self._writer = None
        self._fail_all(error)
        with suppress(Exception):
            await connection.disconnect(nowait=True)

    def _fail_all(self, error: Exception | None) -> None:
        failed = [*self._sent, *(answer for _, answer in self._waiting)]
        self._sent.clear()
        self._waiting = []
        for answer in failed:
            if not answer.done():
                answer.set_exception(BackplaneError(f"the connection to Redis was lost: {error}"))
