"""Empties an outbox on plain ASGI, where a `send` may wait: one task for a connection."""

import asyncio
from collections.abc import Awaitable, Callable

from hubline._tasks import TaskOwner, wake_up
from hubline.transports.outbox import Outbox, joined


class AsgiWriter:
    """Empties an outbox into an ASGI `send`: one task for a connection, started at its first packet, then parked.

    It cannot be one task for all connections: an ASGI `send` may wait, and would delay all others.
    """

    __slots__ = ("_failed", "_outbox", "_parked", "_task", "_tasks", "_write")

    def __init__(
        self,
        outbox: Outbox,
        write: Callable[[bytes], Awaitable[None]],
        *,
        tasks: TaskOwner,
        failed: Callable[[Exception], None],
    ) -> None:
        self._outbox = outbox
        self._write = write
        self._tasks = tasks
        self._failed = failed
        self._task: asyncio.Task[None] | None = None
        self._parked: asyncio.Future[None] | None = None

    @property
    def ready(self) -> bool:
        return not self._outbox.in_flight

    def wake(self) -> None:
        """There is something to write, or nothing more will follow."""
        if self._task is None:
            if len(self._outbox) or not self._outbox.finished:
                self._task = self._tasks.start(self._run())
        else:
            wake_up(self._parked)

    async def join(self) -> None:
        """Wait until everything is written, once the outbox is finished."""
        if self._task is not None:
            await asyncio.wait([self._task])

    def cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        try:
            while True:
                while packets := self._outbox.take():
                    await self._write(joined(packets))
                    self._outbox.sent()
                if self._outbox.finished:
                    return
                self._parked = asyncio.get_running_loop().create_future()
                await self._parked
        except Exception as error:  # ASGI servers differ in what they raise when the peer is gone
            self._failed(error)
