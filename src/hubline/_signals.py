"""Hearing a stop signal beside the server that handles it.

ASGI tells an application of the end only when its requests have ended, and some of ours end when we do. So an
application on a server that does not know `hubline.drain` listens for itself.
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
    """Calls `told` in the running event loop at a stop signal, besides whoever handled the signal before."""

    def __init__(self, told: Callable[[], None]) -> None:
        self._told, self._loop = told, asyncio.get_running_loop()
        self._former: dict[int, Callable[[int, FrameType | None], Any]] = {}

    def listen(self) -> None:
        """Put us before the present handlers; outside of the main thread, where Python allows none, do nothing.

        Where a signal has its default effect, or is ignored, nobody stops in good order, and it stays as it is.
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
        """Give the signals back, except to whoever has put himself before us meanwhile: we then only pass them on."""
        self._told = _nothing
        for number, former in self._former.items():
            if signal.getsignal(number) == self._hear:
                signal.signal(number, former)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        with suppress(RuntimeError):  # the loop was closed abruptly, and we were left behind
            self._loop.call_soon_threadsafe(self._told)
        self._former[number](number, frame)


def _nothing() -> None: ...
