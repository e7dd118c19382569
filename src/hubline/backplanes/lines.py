"""A line: one connection that reconnects after it is lost.

The pauses between attempts grow, and are random. A line that has connected ends the pauses of the others to its broker.
"""

import asyncio
import logging
import random
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from hubline._clock import Clock
from hubline._tasks import TaskOwner, wake_up
from hubline.errors import BackplaneError

logger = logging.getLogger("hubline.backplane")

FIRST_PAUSE, LONGEST_PAUSE, GROWTH = 0.05, 5.0, 1.5
"""Seconds before the first attempt, and the maximum, and the factor from each to the next; each pause is shortened by
up to half, at random. Ours: a restarted broker is back within seconds, and a thousand servers must not reconnect in the
same moment. So a line waits at most for half the time that the broker was away."""

PATIENCE = 5.0
"""Seconds that a broker has to answer. Source: the original's, and redis-py's."""

ConnectionT = TypeVar("ConnectionT")


def pause(attempt: int) -> float:
    """Seconds to wait before an attempt; the first has the number 0."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * GROWTH ** min(attempt, 16)) * random.uniform(0.5, 1.0)


def _look_away(done: "asyncio.Future[None]") -> None:
    """Retrieve the exception if who waited is gone, because the server stops. Otherwise asyncio would log it."""
    if not done.cancelled():
        done.exception()


def utc(seconds: float) -> datetime:
    """The time that many seconds after 1970, for the report of a gap."""
    return datetime.fromtimestamp(seconds, UTC)


class Broker:
    """What the lines of this process to one broker have in common: each hears when another one has connected."""

    __slots__ = ("__weakref__", "_waiting")

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()

    def answers(self) -> None:
        """A line has connected. The others need not wait any longer."""
        for waiting in self._waiting:
            wake_up(waiting)

    async def pause(self, tasks: TaskOwner, sleep: Coroutine[Any, Any, None]) -> bool:
        """Return when `sleep` does, or before that when another line has connected: then True."""
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(waiting)
        try:
            return await tasks.done_before(waiting, sleep)
        finally:
            self._waiting.discard(waiting)


class Pauses:
    """The pauses of somebody who tries again until a broker answers. One that a line has cut short is followed by the
    shortest, which is not: that line may not be the one that is needed."""

    def __init__(self, broker: Broker, tasks: TaskOwner, clock: Clock) -> None:
        self._broker, self._tasks, self._clock = broker, tasks, clock
        self._attempt, self._hurried = 0, False

    async def next(self) -> None:
        """Return when it is time to try again."""
        sleep = self._clock.sleep(pause(self._attempt))
        self._attempt += 1
        if self._hurried:
            await sleep
            self._hurried = False
        elif await self._broker.pause(self._tasks, sleep):
            self._attempt, self._hurried = 0, True


@runtime_checkable
class KnowsBroker(Protocol):
    """A further method of a backplane whose broker this process also uses for something else."""

    def _pauses(self, tasks: TaskOwner) -> Pauses:
        """The pauses between attempts to make a link, in tasks of `tasks`."""


class Line(ABC, Generic[ConnectionT]):
    """Keeps one connection open from `start` to `close`. While there is none, messages are refused and not stored."""

    def __init__(
        self, name: str, open: Callable[[], Awaitable[ConnectionT]], clock: Clock, broker: Broker | None = None
    ) -> None:
        self.name, self._open, self._clock = name, open, clock
        self._broker = broker or Broker()
        self._hurried = False
        """The last pause was cut short. The next one is not: a broker that ends each new connection gets few."""
        self._tasks = TaskOwner(f"hubline: {name}")
        self._ready: ConnectionT | None = None
        self._attempts = 0
        self._used: asyncio.Task[Exception | None] | None = None
        self._unused: ConnectionT | None = None
        """One that is open and whose task has not begun. A task that is cancelled before that cannot end it."""
        self._first: asyncio.Future[None] | None = None
        """Done when the first connection is ready or has failed."""
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
        self._first.add_done_callback(_look_away)
        try:
            connection = await self._connect()
            if self._closed:
                await self._end(connection, None)
                raise BackplaneError("the link is closed")
            self._unused = connection
            self._tasks.start(self._keep(connection), name=self.name)
            await self._first
        except BaseException as error:
            await self._stop()
            if isinstance(error, Exception):  # libraries raise many different errors for a network
                raise BackplaneError(f"the backplane cannot be reached: {error}") from error
            raise

    def begin(self) -> None:
        """Make the first connection and keep it, without waiting: it may take any number of attempts."""
        if not self._closed:
            self._tasks.start(self._keep(None), name=self.name)

    @property
    def is_ready(self) -> bool:
        return self._ready is not None

    def renew(self) -> None:
        """Drop the connection and reconnect. Does nothing while there is none, also not while one is being prepared:
        that has its own time limits, and might take longer than whoever asks for it waits."""
        if self._used is not None and self._ready is not None:
            self._used.cancel()

    async def close(self) -> None:
        """End the line. A second call does nothing."""
        self._closed = True
        await self._stop()

    async def _stop(self) -> None:
        await self._tasks.cancel()
        if self._first is not None and not self._first.done():
            self._first.set_exception(BackplaneError("the link is closed"))
        unused, self._unused = self._unused, None
        if unused is not None:
            await self._end(unused, None)

    def _is_ready(self, connection: ConnectionT) -> None:
        self._ready, self._attempts = connection, 0
        if self._first is not None and not self._first.done():
            self._first.set_result(None)

    async def _keep(self, connection: ConnectionT | None) -> None:
        if connection is None:
            connection = await self._attempt() or await self._again()
        while True:
            self._unused = connection
            self._used = self._tasks.start(self._until_it_breaks(connection), name=self.name)
            await asyncio.wait([self._used])
            error = None if self._used.cancelled() else self._used.result()
            self._used = None
            reason = error or "it was dropped, because it was silent"  # not always a loss: a right that is lacking, say
            logger.warning("%s: the connection is made anew: %.200s", self.name, reason)
            connection = await self._again()

    async def _until_it_breaks(self, connection: ConnectionT) -> Exception | None:
        broken: Exception | None = None
        self._unused = None
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
            sleep = self._clock.sleep(pause(self._attempts))
            if self._hurried:
                await sleep
                self._hurried = False
            else:
                self._hurried = await self._broker.pause(self._tasks, sleep)
            self._attempts += 1
            if (connection := await self._attempt()) is not None:
                return connection

    async def _attempt(self) -> ConnectionT | None:
        try:
            return await self._connect()
        except Exception as error:
            logger.debug("%s: no connection: %.200s", self.name, error)
            return None

    async def _connect(self) -> ConnectionT:
        connection = await self._open()
        self._broker.answers()
        return connection
