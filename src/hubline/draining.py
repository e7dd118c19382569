"""Runs the application's `HubApp(on_drain=…)` before clients are asked to leave."""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from hubline._clock import Clock
from hubline._tasks import TaskOwner, ends_its_task
from hubline.server.workers import in_worker

OnDrain: TypeAlias = Callable[[], Awaitable[object] | None]

SHARE = 0.5
"""The share of the time for draining that `on_drain` may take. The rest is for the clients. Ours."""

logger = logging.getLogger("hubline.app")


class BeforeLeaving:
    """Runs `on_drain` once, however often draining is asked for, and never longer than its limit."""

    def __init__(self, function: OnDrain | None, drain_timeout: float, clock: Clock, tasks: TaskOwner) -> None:
        self._function, self._clock, self._tasks = function, clock, tasks
        self._drain_timeout = drain_timeout
        self._begin: float | None = None
        self._running: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Returns when the function has ended or its time is over. An exception is logged, and draining continues."""
        if self._function is None:
            return
        if self._running is None:
            self._begin = self._clock.now()
            self._running = self._tasks.start(self._within_limit(self._function))
        await asyncio.shield(self._running)

    @property
    def left(self) -> float:
        """Seconds that are left for the clients."""
        return self._drain_timeout - (0.0 if self._begin is None else self._clock.now() - self._begin)

    def begin_anew(self) -> None:
        """Prepare for another draining, after the application has started again."""
        self._begin = self._running = None

    async def _within_limit(self, function: OnDrain) -> None:
        limit = self._drain_timeout * SHARE
        call = self._tasks.start(_call(function), name="on_drain")
        if not await self._tasks.done_before(call, self._clock.sleep(limit)):
            logger.warning("on_drain took longer than %g s and is cancelled: clients are asked to leave now", limit)
            call.cancel()


async def _call(function: OnDrain) -> None:
    """A plain function runs in a worker thread, as plain hub methods do."""
    task = asyncio.current_task()
    try:
        if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__):
            result = function()
        else:
            result = await in_worker(function)
        if inspect.isawaitable(result):
            await result
    except BaseException as error:
        if ends_its_task(error, task):
            raise
        logger.exception("on_drain failed: clients are asked to leave anyway")
