"""Receives stop signals in addition to the server that handles them.

ASGI tells an application of the end only after its requests have ended, but requests of hubs end only when the app
does. So on a server that does not know `hubline.drain` the application listens for the signal itself.
"""

import asyncio
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from types import FrameType
from typing import Any

STOPPING = (signal.SIGINT, signal.SIGTERM)

server_drains: ContextVar[bool] = ContextVar("hubline.server_drains", default=False)
"""Whether the server that runs the application calls its drain functions at a signal, as `hubline run` does."""


class StopSignals:
    """Calls `told` in the running event loop at a stop signal, in addition to the previous handler."""

    def __init__(self, told: Callable[[], None]) -> None:
        self._told, self._loop = told, asyncio.get_running_loop()
        self._former: dict[int, Callable[[int, FrameType | None], Any]] = {}

    def listen(self) -> None:
        """Install a handler before the present ones. Does nothing outside of the main thread, where Python allows none.

        A signal that has its default effect, or is ignored, is left as it is, because no server handles it.
        """
        if threading.current_thread() is not threading.main_thread():
            return
        for number in STOPPING:
            former = signal.getsignal(number)
            if callable(former) and former is not signal.default_int_handler:
                self._former[number] = former
                signal.signal(number, self._hear)
                if hasattr(signal, "siginterrupt"):
                    signal.siginterrupt(number, False)  # as event loops set it: no system call fails with EINTR

    def stop(self) -> None:
        """Restore the previous handlers. If another was installed since, ours stays, and only passes the signal on."""
        self._told = _nothing
        for number, former in self._former.items():
            if signal.getsignal(number) == self._hear:
                signal.signal(number, former)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        with suppress(RuntimeError):  # the loop was closed abruptly, and this handler remained
            self._loop.call_soon_threadsafe(self._told)
        self._former[number](number, frame)


def _nothing() -> None: ...
