"""The connection that publishes. Messages of one turn of the event loop are written together."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from hubline._clock import Clock
from hubline.backplanes.redis_connections import Connections, ResponseError
from hubline.backplanes.redis_pipelines import Pipeline
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


class Publishing(Pipeline[Publish]):
    """Publishes in the order of the calls."""

    def __init__(self, connections: Connections, clock: Clock) -> None:
        super().__init__("publishing to Redis", connections, clock)
        self._unanswered = 0

    async def publish(self, channels: Sequence[bytes], payload: bytes) -> int:
        """Publish; returns the number of receivers. BackplaneError: it was not sent, or it is unknown."""
        connection = self.connection
        publish = Publish(channels, payload, asyncio.get_running_loop().create_future())
        if self._unanswered and self._unanswered + publish.size > UNANSWERED:
            raise BackplaneError(f"Redis does not keep up: {self._unanswered} bytes wait for it")
        self._unanswered += publish.size
        self._add(connection, publish)
        return await publish.answer

    def _commands(self, request: Publish) -> Iterable[Sequence[Any]]:
        return [("PUBLISH", channel, request.payload) for channel in request.channels]

    def _answered(self, found: Any, error: ResponseError | None) -> None:
        publish = self._sent[0]
        publish.left -= 1
        if error is not None:
            publish.fail(BackplaneError(f"Redis has refused a message: {error}"))
        else:
            publish.receivers += found or 0
        if publish.left == 0:
            self._sent.popleft()
            self._unanswered -= publish.size
            if not publish.answer.done():
                publish.answer.set_result(publish.receivers)

    def _fail(self, request: Publish, error: Exception | None) -> None:
        self._unanswered -= request.size
        request.fail(BackplaneError(f"the connection to Redis was lost, perhaps with the message: {error}"))
