"""Streams: from the server, from the client, and both at once."""

import asyncio
from collections.abc import AsyncIterator

from hubline import Cancellation, Hub, HubApp


class StreamHub(Hub):
    """Clients start all streams: a server cannot start one."""

    async def count(self, limit: int, every: float = 0.0) -> AsyncIterator[int]:
        """An async generator is a stream. When the client cancels, the generator is closed: `finally` runs."""
        for number in range(limit):
            yield number
            await asyncio.sleep(every)

    async def total(self, numbers: AsyncIterator[int]) -> int:
        """A parameter that is an async iterator is a stream from the client. A full buffer makes the client wait."""
        return sum([number async for number in numbers])

    async def shout(self, words: AsyncIterator[str]) -> AsyncIterator[str]:
        """Both at once."""
        async for word in words:
            yield word.upper()

    async def render(self, pages: int, cancellation: Cancellation) -> int:
        """A plain call runs to its end even when its client has left, unless it checks for that."""
        done = 0
        while done < pages and not cancellation.requested:
            await asyncio.sleep(0)
            done += 1
        return done


app = HubApp({"/streams": StreamHub})
