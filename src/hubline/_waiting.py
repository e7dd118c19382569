"""Waiting in a thread for what another thread does."""

import time
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")

GLANCE = 0.5
"""Seconds of one wait. Ours: as long as nobody presses Ctrl+C again."""


def result_of(future: "Future[T]", timeout: float | None = None) -> T:
    """The result of a future, for a thread that Ctrl+C is to interrupt. Raises TimeoutError after `timeout` seconds.

    Python looks for signals before a thread waits, and a signal wakes a thread that waits. One that comes in between
    would count only when the wait is over; and on Windows no signal ends a wait. So it waits for short times.
    """
    end = None if timeout is None else time.monotonic() + timeout
    while True:
        left = GLANCE if end is None else min(GLANCE, max(0.0, end - time.monotonic()))
        try:
            return future.result(left)
        except TimeoutError:
            if future.done():  # it may have raised this itself, or have ended just now
                return future.result()
            if end is not None and time.monotonic() >= end:
                raise TimeoutError(f"it has not ended after {timeout:g} s") from None
