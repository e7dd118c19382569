"""Timers. One task waits for the next of all timers."""

import heapq
import itertools
import logging
from asyncio import Task
from collections.abc import Callable

from hubline._clock import Clock
from hubline._tasks import TaskOwner

logger = logging.getLogger("hubline.runs")


class Timer:
    """A call that is made once, unless it is cancelled."""

    __slots__ = ("call", "due")

    def __init__(self, due: float, call: Callable[[], None] | None) -> None:
        self.due, self.call = due, call

    def cancel(self) -> None:
        self.call = None


class Timers:
    """Makes the calls that are due, in order, on the event loop."""

    def __init__(self, clock: Clock, tasks: TaskOwner) -> None:
        self._clock, self._tasks = clock, tasks
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._sleeper: Task[None] | None = None
        self._wakes_at = 0.0

    def __len__(self) -> int:
        return sum(timer.call is not None for _, _, timer in self._heap)

    def after(self, seconds: float, call: Callable[[], None]) -> Timer:
        """Call `call` after this number of seconds."""
        timer = Timer(self._clock.now() + seconds, call)
        heapq.heappush(self._heap, (timer.due, next(self._order), timer))
        if self._sleeper is None or self._sleeper.done() or timer.due < self._wakes_at:
            self._sleep()
        return timer

    def forget(self) -> None:
        """Drop all timers, because their event loop no longer runs."""
        self._heap.clear()
        self._sleeper = None

    def _sleep(self) -> None:
        if self._sleeper is not None:
            self._sleeper.cancel()
        self._sleeper = None
        while self._heap and self._heap[0][2].call is None:
            heapq.heappop(self._heap)
        if self._heap:
            self._wakes_at = self._heap[0][0]
            self._sleeper = self._tasks.start(
                self._wake(self._wakes_at - self._clock.now()), name="hubline.runs timers"
            )

    async def _wake(self, seconds: float) -> None:
        await self._clock.sleep(max(0.0, seconds))
        self._sleeper = None
        now = self._clock.now()
        while self._heap and self._heap[0][0] <= now:
            timer = heapq.heappop(self._heap)[2]
            call, timer.call = timer.call, None
            if call is not None:
                try:
                    call()
                except Exception:
                    logger.exception("a timer failed")
        self._sleep()
