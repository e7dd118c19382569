"""Publishing. Messages of one turn of the event loop are written together."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from hubline._clock import Clock
from hubline.backplanes.redis_connections import ClusterDownError, Connections, ResponseError, refusal
from hubline.backplanes.redis_partitions import Verbs
from hubline.backplanes.redis_pipelines import Request
from hubline.backplanes.redis_routing import Router
from hubline.backplanes.redis_slots import Slots
from hubline.errors import BackplaneError

UNANSWERED = 64 * 1024 * 1024
"""Bytes that may wait for Redis. Further messages are refused. Ours: Redis reads more than that in a second."""

OVERHEAD = 64
"""Bytes counted for a message, in addition to its payload and the name of its channel. Ours."""


class Publish(Request):
    """One message that Redis has not answered yet, on one or several channels."""

    __slots__ = ("answer", "channels", "left", "payload", "publishing", "receivers", "size")

    def __init__(self, slot: int, channels: Sequence[bytes], payload: bytes, publishing: "Publishing") -> None:
        self.slot, self.redirected = slot, 0  # without the call of `super`: every message pays for it
        self.channels, self.payload, self.publishing = channels, payload, publishing
        self.answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.left, self.receivers = len(channels), 0
        self.size = sum(len(channel) + len(payload) + OVERHEAD for channel in channels)

    def commands(self) -> Iterable[Sequence[Any]]:
        verb = self.publishing.verbs.publish
        return [(verb, channel, self.payload) for channel in self.channels]

    def answered(self, found: Any, error: ResponseError | None) -> bool:
        self.left -= 1
        if error is not None:
            self._raise(self.publishing.refused(error, self.channels))
        else:
            self.receivers += found or 0
        if self.left:
            return False
        self.publishing.unanswered -= self.size
        if not self.answer.done():
            self.answer.set_result(self.receivers)
        return True

    def fail(self, error: Exception | None) -> None:
        self.refuse(BackplaneError(f"the connection to Redis was lost, perhaps with the message: {error}"))

    def refuse(self, error: BackplaneError) -> None:
        self.publishing.unanswered -= self.size
        self._raise(error)

    def _raise(self, error: BackplaneError) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


class Publishing:
    """Publishes in the order of the calls."""

    def __init__(self, connections: Connections, slots: Slots, verbs: Verbs, clock: Clock) -> None:
        self.verbs, self._slots = verbs, slots
        self.router = Router("publishing to Redis", connections, slots, clock)
        self.unanswered = 0

    def publish(self, slot: int, channels: Sequence[bytes], payload: bytes) -> "asyncio.Future[int]":
        """Publish on channels of one slot; for the number of receivers. BackplaneError: not sent, or unknown."""
        publish = Publish(slot, channels, payload, self)
        if self.unanswered and self.unanswered + publish.size > UNANSWERED:
            raise BackplaneError(f"Redis does not keep up: {self.unanswered} bytes wait for it")
        self.router.send(publish)
        self.unanswered += publish.size
        return publish.answer

    def refused(self, error: ResponseError, channels: Sequence[bytes]) -> BackplaneError:
        if isinstance(error, ClusterDownError):
            self._slots.ask_again()
        return BackplaneError(f"Redis has refused a message: {refusal(error, self.verbs.publish, *channels)}")
