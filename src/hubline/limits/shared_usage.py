"""What is the same for quotas of several servers, whatever the storage: Redis or a database."""

import asyncio
import secrets
from abc import ABC, abstractmethod
from contextlib import suppress
from datetime import date
from typing import Any

from hubline._clock import Clock, MonotonicClock
from hubline._mistakes import Mistakes
from hubline._tasks import TaskOwner
from hubline.errors import BackplaneError

KEPT = 3 * 86_400_000
"""Milliseconds that a day is kept after its last use. Ours."""


class SharedUsage(ABC):
    """A `UsageStore` and `QuestionsAtOnce` of several servers."""

    def __init__(self, mistakes: Mistakes, *, lease: Any, clock: Any) -> None:
        """Adds the mistakes in these settings. The subclass tells them, with those in its own."""
        mistakes.number("lease", lease, above=0)
        mistakes.has("clock", clock, "a clock", "now", "sleep", optional=True)
        self._lease: float = lease
        self._clock: Clock = clock or MonotonicClock()
        self._tasks = TaskOwner("hubline.limits: quotas of several servers")
        self._asked: dict[str, str] = {}
        """The user of each question that is being answered on this server, by its ticket."""
        self._keeping: asyncio.Task[None] | None = None

    @abstractmethod
    async def used(self, user_id: str, day: date) -> int:
        """The tokens of this user on this day. Raises BackplaneError."""

    @abstractmethod
    async def add(self, user_id: str, day: date, tokens: int) -> int:
        """Add tokens; the new total. Raises BackplaneError."""

    async def enter(self, user_id: str, most: int) -> str | None:
        """A question begins. Raises BackplaneError."""
        if most <= 0:
            return None
        ticket = secrets.token_urlsafe(9)
        try:
            if not await self._enter(user_id, ticket, most):
                return None
        except asyncio.CancelledError:  # perhaps it is counted, and nobody will know its ticket
            self._tasks.start(self.leave(user_id, ticket), name="hubline.limits: a question that was given up")
            raise
        self._asked[ticket] = user_id
        if self._keeping is None or self._keeping.done() or self._keeping.get_loop() is not asyncio.get_running_loop():
            self._keeping = self._tasks.start(self._keep(), name="hubline.limits: questions")
        return ticket

    async def leave(self, user_id: str, ticket: str) -> None:
        """A question is over. While the storage is away, it is over when its lease has expired."""
        self._asked.pop(ticket, None)
        with suppress(BackplaneError):
            await self._leave(user_id, ticket)

    async def close(self) -> None:
        """Close the connection to the storage. Used again, it connects again."""
        await self._tasks.cancel()
        self._keeping = None
        self._asked.clear()
        await self._close()

    @abstractmethod
    async def _enter(self, user_id: str, ticket: str, most: int) -> bool:
        """Count a question for the time of a lease, unless `most` others are counted; with 0, always."""

    @abstractmethod
    async def _leave(self, user_id: str, ticket: str) -> None:
        """It counts no more."""

    @abstractmethod
    async def _close(self) -> None:
        """Close the connection."""

    @property
    def _counted(self) -> int:
        """Milliseconds for which a question counts without being renewed."""
        return round(self._lease * 1000)

    async def _keep(self) -> None:
        """Renew the leases of the questions until there are none."""
        while self._asked:
            await self._clock.sleep(self._lease * 0.3)
            await asyncio.gather(*(self._renew(*question) for question in list(self._asked.items())))

    async def _renew(self, ticket: str, user_id: str) -> None:
        with suppress(BackplaneError):
            await self._enter(user_id, ticket, 0)
            if ticket not in self._asked:  # it was over before this was done
                await self._leave(user_id, ticket)
