"""The connection that publishes. Messages of one turn of the event loop are written together."""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

from hubline._clock import Clock
from hubline.backplanes.lines import PATIENCE, Line
from hubline.backplanes.redis_connections import Connection, Connections, ResponseError
from hubline.errors import BackplaneError

UNANSWERED = 64 * 1024 * 1024
"""Bytes that may wait for Redis to read them. Further messages are refused. Ours: Redis takes more in a second."""

OVERHEAD = 64
"""Bytes counted for a message, in addition to its payload and the name of its channel. Ours."""


class Publish:
    """One message that Redis has not answered yet, on one or several channels."""

    __slots__ = ("answer", "channels", "left", "payload", "receivers", "size")

    def __init__(self, channels: Sequence[bytes], payload: bytes, answer: "asyncio.Future[int]") -> None:
        self.channels, self.payload, self.answer = channels, payload, answer
        self.left, self.receivers = len(channels), 0
        self.size = sum(len(channel) + len(payload) + OVERHEAD for channel in channels)

    def fail(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


class Publishing(Line[Connection]):
    """Publishes in the order of the calls."""

    def __init__(self, connections: Connections, clock: Clock) -> None:
        super().__init__("publishing to Redis", connections.open, clock)
        self._waiting: list[Publish] = []
        self._sent: deque[Publish] = deque()
        self._unanswered = 0
        self._writer: asyncio.Task[None] | None = None

    async def publish(self, channels: Sequence[bytes], payload: bytes) -> int:
        """Publish; returns the number of receivers. BackplaneError: it was not sent, or it is unknown."""
        connection = self.connection
        publish = Publish(channels, payload, asyncio.get_running_loop().create_future())
        if self._unanswered and self._unanswered + publish.size > UNANSWERED:
            raise BackplaneError(f"Redis does not keep up: {self._unanswered} bytes wait for it")
        self._unanswered += publish.size
        self._waiting.append(publish)
        if self._writer is None:
            self._writer = self._tasks.start(self._write(connection), name=self.name)
        return await publish.answer

    async def _write(self, connection: Connection) -> None:
        """Write everything that is queued, also what is added meanwhile."""
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                self._sent.extend(batch)
                commands = [("PUBLISH", channel, each.payload) for each in batch for channel in each.channels]
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
                receivers = await connection.read_response(timeout=PATIENCE / 2)
            except ResponseError as error:
                self._answered(None, error)
                continue
            if receivers is not None:
                asked = False
                self._answered(receivers, None)
            elif asked:
                raise BackplaneError(f"Redis has not answered within {PATIENCE:g} s")
            else:
                asked = bool(self._sent)

    def _answered(self, receivers: int | None, error: Exception | None) -> None:
        """Handle the answer for one channel of the oldest message."""
        publish = self._sent[0]
        publish.left -= 1
        if error is not None:
            publish.fail(BackplaneError(f"Redis has refused a message: {error}"))
        else:
            publish.receivers += receivers or 0
        if publish.left == 0:
            self._sent.popleft()
            self._unanswered -= publish.size
            if not publish.answer.done():
                publish.answer.set_result(publish.receivers)

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
        self._unanswered = 0
        for publish in failed:
            publish.fail(BackplaneError(f"the connection to Redis was lost, perhaps with the message: {error}"))
