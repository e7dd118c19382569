"""Who owns a task. Nothing in Hubline calls `create_task` on its own: a task without an owner is a leak."""

import asyncio
import contextvars
import logging
import sys
from collections.abc import Coroutine
from typing import Any

logger = logging.getLogger("hubline")

_AT_ONCE: dict[str, Any] = {"eager_start": True} if sys.version_info >= (3, 12) else {}


def wake_up(waiter: "asyncio.Future[None] | None") -> None:
    """Let whoever waits for it go on, if somebody does and nobody has said so yet."""
    if waiter is not None and not waiter.done():
        waiter.set_result(None)


class TaskOwner:
    """Keeps tasks alive, reports those that fail, and can end them all.

    Unlike `asyncio.TaskGroup`, a child that fails takes nobody with it: it is logged with the owner's name.
    """

    __slots__ = ("_name", "_tasks")

    def __init__(self, name: str) -> None:
        self._name = name
        self._tasks: set[asyncio.Task[Any]] = set()

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
        """The same for a coroutine that never fails, and says `ended()` itself: half a microsecond less.

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

    def ended(self, task: asyncio.Task[Any] | None) -> None:
        """The last that a coroutine of `begin()` does; `None` when it was run at once."""
        if task is not None:
            self._tasks.discard(task)

    async def cancel(self) -> None:
        """Cancel every task and wait until all have ended."""
        while self._tasks:
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            self._tasks.difference_update(tasks)  # one of `begin()` that never began says nothing

    async def join(self) -> None:
        """Wait until no task is left."""
        while self._tasks:
            await asyncio.wait(list(self._tasks))

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("%s: a task failed: %r", self._name, error, exc_info=error)
