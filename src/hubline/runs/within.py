"""Waiting for several events, for some time at most."""

import asyncio
from collections.abc import Sequence

from hubline._clock import Clock
from hubline._tasks import TaskOwner


async def within(clock: Clock, seconds: float, events: Sequence[asyncio.Event]) -> None:
    """Wait for all of them, for so long at most, by the clock."""
    if all(event.is_set() for event in events):
        return
    tasks = TaskOwner("hubline.runs")
    over = tasks.start(clock.sleep(seconds))
    everything = tasks.start(_all(events))
    await asyncio.wait([over, everything], return_when=asyncio.FIRST_COMPLETED)
    await tasks.cancel()


async def _all(events: Sequence[asyncio.Event]) -> None:
    for event in events:
        await event.wait()
