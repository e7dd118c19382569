"""A clock that tests move."""

import asyncio
import heapq
import itertools

SETTLE_TURNS = 64
"""Turns of the loop that `settle` takes. A message needs about ten from a client through a hub to another client."""


class ManualClock:
    """A clock that only `advance` moves. Give it to `HubApp(…, clock=clock)`."""

    def __init__(self) -> None:
        self._now = 0.0
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> float:
        """Seconds by which `advance` has moved the clock."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock has been moved by this number of seconds."""
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._order), woken))
        if seconds <= 0:
            woken.set_result(None)
        await woken

    async def advance(self, seconds: float) -> None:
        """Move the clock, and run everything that is due until then, in order, each at its own time."""
        await settle()
        until = self._now + seconds
        while self._sleepers and self._sleepers[0][0] <= until:
            due, _, woken = heapq.heappop(self._sleepers)
            self._now = max(self._now, due)
            if not woken.done():
                woken.set_result(None)
                await settle()
        self._now = until


async def settle() -> None:
    """Let all tasks run until each of them waits for something.

    Code in worker threads is not waited for, and neither is real time.
    """
    for _ in range(SETTLE_TURNS):
        await asyncio.sleep(0)
