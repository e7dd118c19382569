"""Bounded queues of a connection, and when their fullness stops the reading of its socket.

One socket carries everything in order, so an answer may be behind the items of a stream that nobody reads. Reading
stops only while nobody can be waiting for what comes after: no call waits for its answer, and the reader of each full
queue does not wait for another queue. Otherwise a reader that calls the server between two items would wait for ever.
"""

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Generic, TypeVar

from hubline._tasks import wake_up

T = TypeVar("T")


class Pacing:
    """What decides whether a connection reads on."""

    def __init__(self) -> None:
        self.full: set[Queue[object]] = set()
        self.idle: set[asyncio.Task[object] | None] = set()
        """Tasks that wait at an empty queue."""
        self.calls = 0
        """Calls that wait for their answer."""
        self._woken: asyncio.Future[None] | None = None

    @property
    def blocked(self) -> bool:
        """Whether nothing may be read."""
        return bool(self.full) and not self.calls and any(queue.reader not in self.idle for queue in self.full)

    async def wait(self) -> None:
        """Wait until something may be read."""
        while self.blocked:
            self._woken = asyncio.get_running_loop().create_future()
            await self._woken

    def changed(self) -> None:
        """One of the above has changed."""
        if self._woken is not None:
            wake_up(self._woken)


class Queue(Generic[T]):
    """A queue with one reader. `put` never waits: who puts looks at `Pacing.blocked` before it reads more."""

    __slots__ = ("_is_known", "_limit", "_pacing", "_woken", "full", "items", "reader")

    def __init__(self, pacing: Pacing, limit: int) -> None:
        self._pacing, self._limit = pacing, limit
        self.full = False
        """Whether `taken` must be called for each that is taken."""
        self._is_known = False
        """Whether the reader is that of what waits now. To ask for the current task costs as much as an item."""
        self.items: deque[T] = deque()
        """What waits, for who takes many: one by one from the left, and calls `taken`."""
        self._woken: asyncio.Future[None] | None = None
        self.reader: asyncio.Task[object] | None = None
        """The task that has waited last, or that was the first to read from the full queue since something came."""

    def __len__(self) -> int:
        return len(self.items)

    def put(self, item: T) -> None:
        self.items.append(item)
        self._came()

    def put_all(self, items: Iterable[T]) -> None:
        """Several, as `put` puts one."""
        self.items.extend(items)
        self._came()

    def _came(self) -> None:
        if self._woken is not None:
            wake_up(self._woken)
            self._pacing.idle.discard(self.reader)
            self._woken = None
        self._is_known = False
        if not self.full and len(self.items) >= self._limit:
            self.full = True
            self._pacing.full.add(self)  # type: ignore[arg-type]  # the pacing does not read from it

    async def get(self) -> T:
        """Wait for an item."""
        if not self.items:
            await self._wait()
        item = self.items.popleft()
        if self.full:
            self.taken()
        return item

    def taken(self) -> None:
        """One was taken from the full queue."""
        if not self._is_known:
            self.reader = asyncio.current_task()
            self._is_known = True
        if len(self.items) <= self._limit // 2:
            self._relieved()

    def end(self) -> None:
        """Nobody reads any more."""
        self.items.clear()
        self._relieved()

    def _relieved(self) -> None:
        self.full = False
        self._pacing.full.discard(self)
        self._pacing.changed()

    async def _wait(self) -> None:
        self.reader = task = asyncio.current_task()
        self._pacing.idle.add(task)
        self._pacing.changed()
        try:
            while not self.items:
                self._woken = asyncio.get_running_loop().create_future()
                await self._woken
        finally:
            self._woken = None
            self._pacing.idle.discard(task)
