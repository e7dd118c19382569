"""Turns of the event loop for other tasks: code that only awaits functions of Hubline must not block them."""

import asyncio
import itertools
from collections.abc import Iterator

STRIDE = 64
"""Sends that have room, after which other tasks get a turn. Ours: an idle turn costs about as much as a send, and 64
sends take less than a millisecond."""

STRIDE_OF_MANY = 512
"""The same for sends to many connections. Ours: this number of small messages reaches the high-water mark, where other
tasks get a turn anyway. A turn writes to every connection, and a burst should be sent in few writes."""


def every(stride: int) -> Iterator[bool]:
    """Returns true once in this number of calls, false otherwise."""
    return itertools.cycle([False] * (stride - 1) + [True])


async def yield_to_loop() -> None:
    """Wait for one turn of the loop."""
    await asyncio.sleep(0)
