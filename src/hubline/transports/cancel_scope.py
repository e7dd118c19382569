"""Ending one await of a task from outside, at no cost while nothing happens: no task, no timer, no second future."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")


class ScopeCancelled(Exception):
    """The guarded await was ended by `CancelScope.cancel()`."""


class CancelScope:
    """Lets others end an await that has no way to be ended: an ASGI `receive()` or `send()`.

    The way of `asyncio.timeout`: cancel the waiting task, and take the cancellation back where it surfaces. A real
    cancellation that comes at the same time wins: it is told apart by `Task.cancelling()`.
    """

    __slots__ = ("_baseline", "_pending", "_task", "cancelled")

    def __init__(self) -> None:
        self.cancelled = False
        self._task: asyncio.Task[Any] | None = None
        self._baseline = 0
        self._pending = False

    def cancel(self) -> None:
        """End the guarded await, or else the next one before it starts. Again does nothing."""
        self.cancelled = True
        if self._task is not None and not self._pending:
            self._pending = True
            self._task.cancel()

    async def guard(self, wait: Callable[[], Awaitable[T]]) -> T:
        """Await `wait()` as a block; what it was about to return when it is cancelled is lost."""
        with self:
            return await wait()

    def __enter__(self) -> None:
        """Guard the awaits of a block. One task at a time.

        Raises:
            ScopeCancelled: `cancel()` was called before.
        """
        if self.cancelled:
            raise ScopeCancelled
        task = asyncio.current_task()
        assert task is not None
        self._task, self._baseline = task, task.cancelling()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """End the block.

        Raises:
            ScopeCancelled: `cancel()` was called, and nothing else has ended the block. When it ended well all the
                same, an await has swallowed the cancellation.
        """
        task, self._task = self._task, None
        if self._pending:
            assert task is not None
            self._pending = False
            ours = task.uncancel() <= self._baseline
            if ours and (kind is None or issubclass(kind, asyncio.CancelledError)):
                raise ScopeCancelled from None
