"""Work that is done every now and then while the application runs."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

logger = logging.getLogger("hubline_chat")


class Periodic:
    """Repeats `work`, with `seconds` in between. It is stopped between two times, never during one.

    What it raises is logged, and it is tried again: one room that cannot be tidied must not end the chat.
    """

    def __init__(self, work: Callable[[], Awaitable[None]], seconds: float) -> None:
        self._work, self._seconds = work, seconds
        self._stopped = asyncio.Event()

    async def run(self) -> None:
        while not self._stopped.is_set():
            try:
                await self._work()
            except Exception:
                logger.exception("what is done every %g s failed", self._seconds)
            try:
                async with asyncio.timeout(self._seconds):
                    await self._stopped.wait()
            except TimeoutError:
                continue

    def stop(self) -> None:
        """Let `run` return after the present `work`."""
        self._stopped.set()
