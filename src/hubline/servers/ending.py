"""Runs a server as the last action of a process, which ends even if user code does not."""

import asyncio
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

from hubline._signals import STOPPING
from hubline._tasks import GRACE, cancelled

WORKERS = "hubline worker"
"""The prefixes of the names of worker threads."""

logger = logging.getLogger("hubline.server")


def run_to_the_end(
    main: Coroutine[Any, Any, None], loop_factory: Callable[[], asyncio.AbstractEventLoop] | None
) -> None:
    """`asyncio.run`, which waits for ever for tasks that swallow cancellations and for threads that are busy.

    Here both together get `GRACE` seconds. When something is left then, the log says what, and the process ends at
    once, without `finally` blocks and `atexit` functions: with status 0, or that of the exception that `main` raised.
    """
    handlers = {number: signal.getsignal(number) or signal.SIG_DFL for number in STOPPING}
    workers = ThreadPoolExecutor(thread_name_prefix=WORKERS)
    runner = asyncio.Runner(loop_factory=loop_factory)
    runner.get_loop().set_default_executor(workers)
    status = 0
    try:
        runner.run(main)
    except SystemExit as exit:
        status = exit.code if isinstance(exit.code, int) else 1
        raise
    except BaseException:
        status = 1
        raise
    finally:
        die_by_the_next_signal()
        deadline = time.monotonic() + GRACE
        workers.shutdown(wait=False, cancel_futures=True)
        left = [repr(task) for task in runner.get_loop().run_until_complete(_end_tasks())] + _busy(deadline)
        if left:
            _leave(left, status)
        runner.close()
        for number, handler in handlers.items():
            _set(number, handler)


async def _end_tasks() -> "set[asyncio.Task[Any]]":
    return await cancelled(asyncio.all_tasks() - {asyncio.current_task()}, GRACE)


def _busy(deadline: float) -> list[str]:
    """The worker threads that have not ended by then."""
    threads = [thread for thread in threading.enumerate() if thread.name.startswith(WORKERS)]
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return [repr(thread) for thread in threads if thread.is_alive()]


def _leave(left: list[str], status: int) -> None:
    if status and (error := sys.exc_info()[1]) is not None and not isinstance(error, SystemExit):
        logger.critical("the server failed", exc_info=error)
    for each in left:
        logger.error("the process ends without waiting for %s", each)
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os._exit(status)


def die_by_the_next_signal(numbers: Iterable[int] = STOPPING) -> None:
    """Give stop signals their default effect: the next one ends the process at once, also in C code.

    The parent process sees that the signal ended it.

    In a handler only for the signal that it handles: Python keeps another one that came at the same moment, and would
    find no handler for it ("Signal 15 ignored due to race condition"). Elsewhere `signal.signal` runs the handlers of
    what came before it changes any.
    """
    for number in numbers:
        _set(number, signal.SIG_DFL)


def die_by(number: int) -> NoReturn:
    """End the process by the default effect of this signal."""
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)
    os._exit(1)  # the signal is blocked in this thread


def _set(number: int, handler: Any) -> None:
    if threading.current_thread() is threading.main_thread():  # Python allows it only in the main thread
        signal.signal(number, handler)
