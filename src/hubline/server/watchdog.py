"""Finds hub methods that block the event loop, and names them.

A thread schedules a callback on the event loop ten times a second, and reads the stack of the loop if the callback does
not run in time. So nothing is measured for a call; the cost is one wake-up in each interval.
"""

import asyncio
import logging
import sys
import threading
from collections.abc import Mapping
from types import CodeType, FrameType

logger = logging.getLogger("hubline.watchdog")


class BlockingWatchdog:
    """Warns, once per occurrence, when a method keeps the loop from running for longer than `limit` seconds."""

    def __init__(self, limit: float, methods: Mapping[CodeType, str]) -> None:
        self._limit, self._methods = limit, methods
        self._asked = self._answered = 0
        self._reported = False
        self._stop = threading.Event()
        """Stops the present thread. Each thread has its own event, so that an old thread cannot start again."""
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Watch the running loop until it ends, or until `stop()`. A second call does nothing."""
        if self._thread is None or self._stop.is_set() or not self._thread.is_alive():
            self._stop = threading.Event()
            self._asked = self._answered = 0  # the loop may have ended without running the callback
            self._reported = False
            arguments = (asyncio.get_running_loop(), threading.get_ident(), self._stop)
            self._thread = threading.Thread(target=self._watch, args=arguments, name="hubline watchdog", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        self._stop.set()

    def _watch(self, loop: asyncio.AbstractEventLoop, loop_thread: int, stop: threading.Event) -> None:
        while not stop.wait(self._limit):
            if self._answered < self._asked:
                if not self._reported:
                    self._report(sys._current_frames().get(loop_thread))
                continue
            self._reported = False
            self._asked += 1
            try:
                loop.call_soon_threadsafe(self._answer)
            except RuntimeError:
                return  # the loop is closed

    def _answer(self) -> None:
        self._answered = self._asked

    def _report(self, innermost: FrameType | None) -> None:
        frame = innermost
        while frame is not None:
            name = self._methods.get(frame.f_code)
            if name is not None and innermost is not None:
                self._reported = True
                logger.warning(
                    "%s blocks the event loop for more than %g ms, at %s:%d (%s); nothing else runs meanwhile: "
                    "await instead, or make it a plain `def`, which runs in a thread",
                    name,
                    self._limit * 1000,
                    innermost.f_code.co_filename,
                    innermost.f_lineno,
                    innermost.f_code.co_name,
                )
                return
            frame = frame.f_back
