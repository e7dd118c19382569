"""A line: one connection that reconnects after it is lost. The pauses between attempts grow, and are random."""

import asyncio
import logging
import random
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from hubline._clock import Clock
from hubline._tasks import TaskOwner
from hubline.errors import BackplaneError

logger = logging.getLogger("hubline.backplane")

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Seconds before the first attempt, and the maximum; each is shortened by up to half, at random. Ours: a restarted
broker is back within seconds, and a thousand servers must not reconnect in the same moment."""

PATIENCE = 5.0
"""Seconds that a broker has to answer. Source: the original's, and redis-py's."""

ConnectionT = TypeVar("ConnectionT")


def pause(attempt: int) -> float:
    """Seconds to wait before an attempt; the first has the number 0."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(attempt, 16)) * random.uniform(0.5, 1.0)


class Line(ABC, Generic[ConnectionT]):
    """Keeps one connection open from `start` to `close`. While there is none, messages are refused and not stored."""

    def __init__(self, name: str, open: Callable[[], Awaitable[ConnectionT]], clock: Clock) -> None:
        self.name, self._open, self._clock = name, open, clock
        self._tasks = TaskOwner(f"hubline: {name}")
        self._ready: ConnectionT | None = None
        self._attempts = 0
        self._used: asyncio.Task[Exception | None] | None = None
        self._first: asyncio.Future[None] | None = None
        """Done when the first connection is ready, or has failed before that."""
        self._closed = False

    @abstractmethod
    async def _use(self, connection: ConnectionT) -> None:
        """Use the connection; call `_is_ready` when it is ready. Never returns: raises when it is lost."""

    @abstractmethod
    async def _end(self, connection: ConnectionT, error: Exception | None) -> None:
        """Close an old connection in any state. `error` is the reason for its loss, if there is one."""

    @property
    def connection(self) -> ConnectionT:
        """The connection that is ready. Raises BackplaneError if there is none."""
        if self._ready is None:
            raise BackplaneError("the link is closed" if self._closed else "the backplane cannot be reached at present")
        return self._ready

    async def start(self) -> None:
        """Make the first connection and keep it.

        Raises:
            BackplaneError: the connection failed. Nothing was started, and it may be called again.
        """
        self._first = asyncio.get_running_loop().create_future()
        try:
            connection = await self._open()
            if self._closed:
                await self._end(connection, None)
                raise BackplaneError("the link is closed")
            self._tasks.start(self._keep(connection), name=self.name)
            await self._first
        except BaseException as error:
            await self._tasks.cancel()
            if isinstance(error, Exception):  # libraries raise many different errors for a network
                raise BackplaneError(f"the backplane cannot be reached: {error}") from error
            raise

    def renew(self) -> None:
        """Drop the connection and reconnect. Does nothing while there is none."""
        if self._used is not None:
            self._used.cancel()

    async def close(self) -> None:
        """End the line. A second call does nothing."""
        self._closed = True
        await self._tasks.cancel()

    def _is_ready(self, connection: ConnectionT) -> None:
        self._ready, self._attempts = connection, 0
        if self._first is not None and not self._first.done():
            self._first.set_result(None)

    async def _keep(self, connection: ConnectionT) -> None:
        while True:
            self._used = self._tasks.start(self._until_it_breaks(connection), name=self.name)
            await asyncio.wait([self._used])
            error = None if self._used.cancelled() else self._used.result()
            self._used = None
            logger.warning("%s: the connection is lost: %.200s", self.name, error or "dropped, because it was silent")
            connection = await self._again()

    async def _until_it_breaks(self, connection: ConnectionT) -> Exception | None:
        broken: Exception | None = None
        try:
            await self._use(connection)
        except Exception as error:
            broken = error
        finally:
            self._ready = None
            if self._first is not None and not self._first.done():
                self._first.set_exception(broken or BackplaneError("the connection was dropped"))
            await self._end(connection, broken)
        return broken

    async def _again(self) -> ConnectionT:
        while True:
            await self._clock.sleep(pause(self._attempts))
            self._attempts += 1
            try:
                return await self._open()
            except Exception as error:
                logger.debug("%s: no connection: %.200s", self.name, error)
