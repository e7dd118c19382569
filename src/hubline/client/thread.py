"""An event loop in a thread of its own, and threads for functions that may block."""

import asyncio
import functools
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

from hubline._tasks import called
from hubline._waiting import result_of
from hubline.errors import ConnectionClosed

T = TypeVar("T")

ASIDE = 16
"""Functions that may block at the same time: a handler, those that must answer, uploads, and the token."""

NOT_STARTED = "the connection has not been started"
FORKED = "the connection is one of the process that has forked this one: make another here"
ITSELF = "this function runs in the thread of the connection, where a call would wait for itself for ever"


class LoopThread:
    """Runs coroutines for other threads. It can be started again after a stop."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._aside: ThreadPoolExecutor | None = None
        self._begun: set[Future[Any]] = set()
        self._process = 0
        """Where the thread runs: it is not in a process that was forked from that."""

    @property
    def running(self) -> bool:
        return self._loop is not None and not self._is_elsewhere

    @property
    def _is_elsewhere(self) -> bool:
        return self._loop is not None and self._process != os.getpid()

    def start(self) -> None:
        """Without effect if it runs. Raises RuntimeError: it does in the process that forked this one."""
        if self._is_elsewhere:
            raise RuntimeError(FORKED)
        with self._lock:
            if self._loop is not None:
                return
            self._loop, self._process = asyncio.new_event_loop(), os.getpid()
            self._aside = ThreadPoolExecutor(ASIDE, f"{self._name}: handlers")
            self._thread = threading.Thread(target=self._loop.run_forever, name=self._name, daemon=True)
            self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        """Wait for the result. If the waiting is interrupted, as by Ctrl+C, the coroutine is cancelled.

        Raises:
            TimeoutError: there is none after `timeout` seconds.
            ConnectionClosed: the loop was stopped meanwhile.
            RuntimeError: the loop does not run, or not in this process, or this is its own thread, which must not wait
                for itself.
        """
        loop = self._loop
        if loop is None or self._is_elsewhere or threading.current_thread() is self._thread:
            coroutine.close()
            raise RuntimeError(NOT_STARTED if loop is None else FORKED if self._is_elsewhere else ITSELF)
        future = self._begin(coroutine, loop)
        try:
            return result_of(future, timeout)
        except CancelledError:
            raise ConnectionClosed("the connection was stopped") from None
        except BaseException:
            future.cancel()  # without effect if it is done
            raise

    def finish(self, coroutine: Coroutine[Any, Any, object]) -> None:
        """Run a coroutine that cleans up; wait for it if this thread may. Generators end in any thread, at any time."""
        if self._is_elsewhere:
            coroutine.close()
        elif threading.current_thread() is not self._thread and self._loop is not None:
            with suppress(ConnectionClosed, RuntimeError):  # it may stop at any time
                self.run(coroutine)
        elif (loop := self._loop) is not None:
            asyncio.run_coroutine_threadsafe(coroutine, loop)
        else:
            coroutine.close()

    def _begin(self, coroutine: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> "Future[T]":
        """Have the loop run a coroutine. What a stop leaves without a result, it cancels.

        Without a lock: the garbage collector may call `finish` anywhere. Raises ConnectionClosed.
        """
        try:
            future: Future[T] = asyncio.run_coroutine_threadsafe(coroutine, loop)
        except RuntimeError:  # the loop is closed
            coroutine.close()
            raise ConnectionClosed("the connection was stopped") from None
        self._begun.add(future)
        future.add_done_callback(self._begun.discard)
        if loop.is_closed():
            future.cancel()
        return future

    async def call_aside(self, function: Callable[..., T], *args: Any) -> T:
        """Call a function in a thread. For the loop's thread."""
        return await asyncio.get_running_loop().run_in_executor(self._aside, functools.partial(called, function, *args))

    def stop(self) -> None:
        """End the loop and its thread. Functions that run aside end by themselves."""
        with self._lock:
            loop, thread, aside = self._loop, self._thread, self._aside
            self._loop = None
        if loop is None or thread is None or aside is None:
            return
        aside.shutdown(wait=False, cancel_futures=True)
        result_of(asyncio.run_coroutine_threadsafe(_end_all(), loop))
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(_end_all())  # what has begun meanwhile
        loop.close()
        for future in list(self._begun):  # what came even later
            future.cancel()


async def _end_all() -> None:
    """Cancel what still runs on this loop, so that nobody waits for it for ever."""
    loop = asyncio.get_running_loop()
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await loop.shutdown_asyncgens()
