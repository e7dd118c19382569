"""News of which only the newest counts: the first is sent at once, the next ones at most once in an interval."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable

logger = logging.getLogger("hubline_chat")


class Notices:
    """Sends what was posted, in order; of several with one key, the last one.

    A notice after a pause is sent in the next turn of the loop, and so after the reply of the hub method that posted
    it. Further notices are gathered for `interval` seconds.
    """

    def __init__(self, interval: float = 0.1) -> None:
        self._interval = interval
        self._pending: dict[Hashable, Callable[[], Awaitable[None]]] = {}
        self._posted = asyncio.Event()
        self._is_stopped = False

    def post(self, key: Hashable, send: Callable[[], Awaitable[None]]) -> None:
        """Call `send` soon. It should read the state when it runs, not when it was posted."""
        self._pending[key] = send
        self._posted.set()

    async def run(self) -> None:
        """Send until stopped."""
        while not self._is_stopped:
            await self._posted.wait()
            self._posted.clear()
            pending, self._pending = self._pending, {}
            for send in pending.values():
                try:
                    await send()
                except Exception:
                    logger.exception("a notice could not be sent")
            await asyncio.sleep(self._interval)

    def stop(self) -> None:
        """Let `run` return after the notice that it is sending."""
        self._is_stopped = True
        self._posted.set()
