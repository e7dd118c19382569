"""Work that is done every now and then while the application runs."""

import asyncio
from collections.abc import Awaitable, Callable


class Periodic:
    """Does `work` again and again, with `seconds` in between. It is stopped between two times, never in the middle."""

    def __init__(self, work: Callable[[], Awaitable[None]], seconds: float) -> None:
        self._work, self._seconds = work, seconds
        self._stopped = asyncio.Event()

    async def run(self) -> None:
        while not self._stopped.is_set():
            await self._work()
            try:
                async with asyncio.timeout(self._seconds):
                    await self._stopped.wait()
            except TimeoutError:
                continue

    def stop(self) -> None:
        """`run` returns soon: when what it is doing is done."""
        self._stopped.set()
