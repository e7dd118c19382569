"""Ends one await of a task from outside. Until then it needs no task, no timer and no second future."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")


class ScopeCancelled(Exception):
    """The guarded await was ended by `CancelScope.cancel()`."""


class CancelScope:
    """Ends an await that cannot be ended otherwise: an ASGI `receive()` or `send()`.

    It works like `asyncio.timeout`: it cancels the waiting task, and takes the cancellation back at the await. A real
    cancellation at the same time takes precedence; `Task.cancelling()` tells them apart.
    """

    __slots__ = ("_baseline", "_pending", "_task", "cancelled")

    def __init__(self) -> None:
        self.cancelled = False
        self._task: asyncio.Task[Any] | None = None
        self._baseline = 0
        self._pending = False

    def cancel(self) -> None:
        """End the guarded await, or the next one before it starts. A second call does nothing."""
        self.cancelled = True
        if self._task is not None and not self._pending:
            self._pending = True
            self._task.cancel()

    async def guard(self, wait: Callable[[], Awaitable[T]]) -> T:
        """Await `wait()` as a block. If it is cancelled, its result is lost."""
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
            ScopeCancelled: `cancel()` was called, and nothing else has ended the block. If the block ended without
                an exception, an await has swallowed the cancellation.
        """
        task, self._task = self._task, None
        if self._pending:
            assert task is not None
            self._pending = False
            ours = task.uncancel() <= self._baseline
            if ours and (kind is None or issubclass(kind, asyncio.CancelledError)):
                raise ScopeCancelled from None
