"""What is sent in one go. A burst is no slowness of its receivers: docs/decisions/slow-is-who-does-not-read.md."""

import asyncio
from weakref import proxy

from hubline._loops import PerLoop

LONGEST = 1.0
"""Seconds. A burst that goes on for longer is a rate, and whoever cannot keep up with it is slow. Ours."""


class Bursts:
    """Counts the bursts of one event loop.

    A burst ends with the turn of the loop, unless the sender only gave others a turn and goes on: `prolong()`. Nothing
    is counted while nobody asks: `begin()`.
    """

    __slots__ = ("_began", "_loop", "_prolonged", "_running", "number")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.number = 0
        """Of the burst that runs."""
        self._loop = proxy(loop)  # it lives as long as its loop, and must not keep that alive
        self._running = self._prolonged = False
        self._began = 0.0

    def begin(self) -> int:
        """The number of the burst that runs: from now on it can end."""
        if not self._running:
            self._running, self._began = True, self._loop.time()
            self._loop.call_soon(self._end)
        return self.number

    def prolong(self) -> None:
        """The sender is about to give others a turn, and then goes on."""
        self._prolonged = True

    def _end(self) -> None:
        prolonged, self._prolonged = self._prolonged, False
        if prolonged and self._loop.time() - self._began < LONGEST:
            self._loop.call_soon(self._end)
        else:
            self._running = False
            self.number += 1


bursts_of = PerLoop(Bursts).of
"""The bursts of an event loop."""


async def let_others_within_a_burst() -> None:
    """Give others a turn of the loop. What is sent after it still belongs to the burst."""
    bursts_of(asyncio.get_running_loop()).prolong()
    await asyncio.sleep(0)
