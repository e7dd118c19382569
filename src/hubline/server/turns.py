"""Turns of the loop for others: who awaits something of ours again and again must not hold everybody up."""

import asyncio
import itertools
from collections.abc import Iterator

STRIDE = 64
"""Sends that have room, after which others have a turn. Ours: an idle turn costs about as much as a send, and 64 sends
take less than a millisecond."""

STRIDE_OF_MANY = 512
"""The same for sends to many. Ours: so many small messages are as much as the high-water mark, where others have a turn
anyway; a turn writes to everybody, and a burst is to leave in few writes."""


def every(stride: int) -> Iterator[bool]:
    """True each time that so many were asked for, false otherwise."""
    return itertools.cycle([False] * (stride - 1) + [True])


async def let_others() -> None:
    """Wait for one turn of the loop."""
    await asyncio.sleep(0)
