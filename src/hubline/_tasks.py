"""Owners of tasks. No other code in Hubline calls `create_task`, because a task without an owner is a leak."""

import asyncio
import contextvars
import logging
import sys
from collections.abc import Callable, Collection, Coroutine
from contextlib import suppress
from typing import Any, TypeAlias

logger = logging.getLogger("hubline")

GRACE = 0.5
"""Seconds that cancelled tasks have to end, unless their owner sets another time. Ours."""

AGAIN = 0.1
"""Additional seconds after each further step. Ours."""

Describe: TypeAlias = "Callable[[asyncio.Task[Any]], str]"
"""A description of a task, for the log."""

_AT_ONCE: dict[str, Any] = {"eager_start": True} if sys.version_info >= (3, 12) else {}


def wake_up(waiter: "asyncio.Future[None] | None") -> None:
    """Set the result of a future that somebody may wait for, if it is not done yet."""
    if waiter is not None and not waiter.done():
        try:  # noqa: SIM105  # `suppress` would cost more than the rest
            waiter.set_result(None)
        except RuntimeError:  # its loop was closed abruptly, and the waiting coroutine is thrown away
            pass


def called(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Call a function of the application in a worker thread.

    Two exceptions become a RuntimeError. A future cannot have `StopIteration`, so its waiter would never end; and
    `GeneratorExit` would close the waiting coroutines instead of being raised in them.
    """
    try:
        return function(*args, **kwargs)
    except (StopIteration, GeneratorExit) as error:
        raise RuntimeError(f"a plain function raised {type(error).__name__}") from error


def ends_its_task(error: BaseException, task: "asyncio.Task[Any] | None" = None) -> bool:
    """Whether an exception ends the task that caught it, and is not a failure of the code that the task called.

    A cancellation does when it was asked of this task; otherwise something that the code awaited was cancelled. So does
    a `GeneratorExit`, with which a coroutine is thrown away; with `task`, the one that runs the code, only when that is
    so, and not when the code has raised it.
    """
    if isinstance(error, asyncio.CancelledError):
        current = asyncio.current_task()
        return current is None or current.cancelling() > 0
    return isinstance(error, GeneratorExit) and (task is None or not is_current(task))


def is_current(task: "asyncio.Task[Any] | None") -> bool:
    """Whether `task` runs, or its first step before the task is known. Then its coroutine is not being thrown away."""
    try:
        running = asyncio.current_task()
    except RuntimeError:  # no loop runs any more
        return False
    return running is not None and (task is None or task is running)


async def cancelled(tasks: "Collection[asyncio.Task[Any]]", grace: float) -> "set[asyncio.Task[Any]]":
    """Cancel tasks and give them `grace` seconds to end. Returns those that have not ended.

    One that has been cancelled before may be busy with its clean-up, and is left alone until then. A task that
    continues is cancelled again: it may have lost the first cancellation, as `asyncio.wait_for` of Python 3.11 can.
    """
    left = set(tasks)
    for task in left:
        if not task.cancelling():
            task.cancel()
    if left:
        _, left = await asyncio.wait(left, timeout=grace)
    for task in left:
        task.cancel()
    if left:
        _, left = await asyncio.wait(left, timeout=AGAIN)
    return left


class TaskOwner:
    """Keeps tasks alive, logs failures, and can end all of them.

    Unlike `asyncio.TaskGroup`, a child that fails does not end the others: the failure is logged with the owner's name.
    `describe` describes a task that does not end, for the log.
    """

    __slots__ = ("_describe", "_name", "_tasks", "ended")

    def __init__(self, name: str, *, describe: Describe = asyncio.Task.get_name) -> None:
        self._name, self._describe = name, describe
        self._own(set())

    def __len__(self) -> int:
        return len(self._tasks)

    def start(
        self,
        coroutine: Coroutine[Any, Any, Any],
        *,
        name: str | None = None,
        context: contextvars.Context | None = None,
    ) -> asyncio.Task[Any]:
        """Run `coroutine` in a task of its own, in a copy of `context`, or else of the one that calls this."""
        create = asyncio.get_running_loop().create_task
        task = create(coroutine, name=name) if context is None else context.copy().run(create, coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def begin(
        self,
        coroutine: Coroutine[Any, Any, Any],
        loop: asyncio.AbstractEventLoop,
        *,
        context: contextvars.Context,
        name: str | None = None,
        at_once: bool = False,
    ) -> asyncio.Task[Any]:
        """The same for a coroutine that never fails and calls `ended()` itself. Takes half a microsecond less.

        `loop` is the running one; to ask for it is a system call on Python 3.11. It runs in a copy of `context`.
        `at_once` runs the coroutine to its first wait before this returns, where Python can (3.12 and newer).
        """
        own = context.copy()
        if at_once and _AT_ONCE:
            task: asyncio.Task[Any] = asyncio.Task(coroutine, loop=loop, name=name, context=own, **_AT_ONCE)
        elif loop.get_task_factory() is None:
            task = asyncio.Task(coroutine, loop=loop, name=name, context=own)
        else:
            task = own.run(loop.create_task, coroutine, name=name)
        if not task.done():
            self._tasks.add(task)
        return task

    async def cancel(self, grace: float = GRACE) -> None:
        """Cancel every task and wait until all have ended, hardly longer than `grace` seconds.

        A task that has not ended then is named in the log and abandoned: its coroutine is closed, so that it cannot
        keep the event loop from being closed.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + grace
        while self._tasks:
            tasks = list(self._tasks)
            left = await cancelled(tasks, max(0.0, deadline - loop.time()))
            self._tasks.difference_update(tasks)  # a task of `begin()` that never started cannot call `ended()`
            for task in left:
                logger.error(
                    "%s: %s did not end within %g s of its cancellation and is abandoned",
                    self._name,
                    self._describe(task),
                    grace,
                )
                self._abandon(task)
            if left:
                await asyncio.wait(left, timeout=AGAIN)

    async def done_before(self, future: "asyncio.Future[Any]", limit: Coroutine[Any, Any, Any]) -> bool:
        """Wait for `future` until `limit` returns, usually the sleep of a clock. Returns whether it is done."""
        over = self.start(limit, name="hubline: time limit")
        try:
            await asyncio.wait((future, over), return_when=asyncio.FIRST_COMPLETED)
            return future.done()
        finally:
            over.cancel()

    def forget(self) -> None:
        """Forget every task. They belong to an event loop that does not run any more, and never end."""
        for task in self._tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # asyncio would call each a mistake of ours
        self._own(set())

    async def join(self) -> None:
        """Wait until no task is left."""
        while self._tasks:
            await asyncio.wait(list(self._tasks))

    def _own(self, tasks: "set[asyncio.Task[Any]]") -> None:
        self._tasks = tasks
        self.ended: Callable[[asyncio.Task[Any] | None], None] = tasks.discard
        """The last call of a coroutine of `begin()`; with `None` if it has run at once."""

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("%s: a task failed: %r", self._name, error, exc_info=error)

    def _abandon(self, task: "asyncio.Task[Any]") -> None:
        """Close its coroutine. Code that catches `CancelledError` rarely catches `GeneratorExit` too."""
        task.remove_done_callback(self._ended)
        task.add_done_callback(_look_away)
        coroutine = task.get_coro()
        if isinstance(coroutine, Coroutine):
            with suppress(Exception):  # its clean-up may raise anything, or the coroutine may ignore `GeneratorExit`
                coroutine.close()
        task.cancel()  # wakes it, so that it notices


def _look_away(task: "asyncio.Task[Any]") -> None:
    """Retrieve the exception. Otherwise asyncio would log it."""
    if not task.cancelled():
        task.exception()
