"""Work that is done every now and then while the application runs."""

import asyncio
from collections.abc import Awaitable, Callable


class Periodic:
    """Repeats `work`, with `seconds` in between. It is stopped between two times, never during one."""

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
        """Let `run` return after the present `work`."""
        self._stopped.set()
