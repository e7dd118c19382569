"""Bursts: messages sent without a pause. They make no client slow: docs/decisions/slow-is-who-does-not-read.md."""

import asyncio
from weakref import proxy

from hubline._loops import PerLoop

LONGEST = 1.0
"""Seconds. What goes on for longer is not a burst but a rate, and a client that cannot keep up is slow. Ours."""


class Bursts:
    """Counts the bursts of one event loop.

    A burst ends with the turn of the loop, unless the sender only gives others a turn: `prolong()`. Counting starts
    when `begin()` is called.
    """

    __slots__ = ("_began", "_loop", "_prolonged", "_running", "number")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.number = 0
        """The start of the present burst."""
        self._loop = proxy(loop)  # it lives as long as its loop, and must not keep the loop alive
        self._running = self._prolonged = False
        self._began = 0.0

    def begin(self) -> int:
        """The number of the present burst, which can end from now on."""
        if not self._running:
            self._running, self._began = True, self._loop.time()
            self._loop.call_soon(self._end)
        return self.number

    def prolong(self) -> None:
        """The sender is about to give others a turn, and will then continue."""
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
