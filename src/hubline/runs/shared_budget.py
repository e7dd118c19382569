"""What is the same for every budget that servers share, whatever the storage: Redis or a database."""

import asyncio
import secrets
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import Any, NamedTuple

from hubline._clock import Clock, MonotonicClock
from hubline._mistakes import Mistakes
from hubline._tasks import TaskOwner
from hubline.errors import BackplaneError
from hubline.runs.budgets import Balance

OUTLIVED = 60
"""Leases for which the charges of a server are remembered after its last report. Ours."""


class Report(NamedTuple):
    """The share of a server in an account, as totals: sent again, they change nothing. Times are in milliseconds."""

    holder: str
    """The name of the server in this account."""
    reserved: int
    charged: int
    want: int
    """How much more it wants to reserve."""
    limit: int
    window: int
    lease: int
    outlived: int
    """For how long the server is remembered after its lease."""


class _Held:
    """The share of this server in an account."""

    def __init__(self, left: int) -> None:
        self.holder = secrets.token_urlsafe(9)
        self.reserved = self.charged = self.told = 0
        self.left = left
        """The remaining tokens in the last answer of the storage, less the charges since."""
        self.users = 0
        self.lock = asyncio.Lock()


class SharedBudget(ABC):
    """A `Budget` of several servers."""

    def __init__(self, mistakes: Mistakes, limit: Any, *, name: Any, window: Any, lease: Any, clock: Any) -> None:
        """Adds the mistakes in these settings. The subclass tells them, with those in its own."""
        mistakes.whole("limit", limit, least=0)
        mistakes.text("name", name)
        mistakes.number("window", window, above=0)
        mistakes.number("lease", lease, above=0)
        mistakes.has("clock", clock, "a clock", "now", "sleep", optional=True)
        self._limit, self._name, self._window, self._lease = limit, name, window, lease
        self._clock: Clock = clock or MonotonicClock()
        self._tasks = TaskOwner("hubline.runs budget")
        self._held: dict[str, _Held] = {}
        self._keeping: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def reserve(self, account: str, tokens: int) -> int:
        """Reserve `tokens`, as far as there are any. Raises BackplaneError."""
        return await self._report(account, want=tokens)

    async def charge(self, account: str, tokens: int, *, reserved: int = 0) -> Balance:
        """Count used tokens. While the storage is away they are counted later."""
        held = self._of(account)
        held.reserved -= min(reserved, held.reserved)
        held.charged += tokens
        held.left = max(0, held.left - max(0, tokens - reserved))
        with suppress(BackplaneError):
            await self._report(account)
        return Balance(self._limit, held.left)

    async def release(self, account: str, tokens: int) -> None:
        """Release unused tokens. While the storage is away they are released later."""
        held = self._of(account)
        held.reserved -= min(tokens, held.reserved)
        with suppress(BackplaneError):
            await self._report(account)

    async def close(self) -> None:
        """Close the connection to the storage. Reservations end with the lease. Used again, it connects again."""
        await self._tasks.cancel()
        self._keeping = None
        self._held.clear()
        await self._close()

    @abstractmethod
    async def _settle(self, account: str, report: Report) -> tuple[int, int]:
        """Set the totals of a server, and reserve more: how much, and the tokens that are left. Raises BackplaneError.

        A window begins with the first report after the one before has ended. The reservations of other servers count
        while their leases last.
        """

    @abstractmethod
    async def _forget(self, account: str, holder: str) -> None:
        """A server has nothing reserved any more, and its charges are counted. Raises BackplaneError."""

    @abstractmethod
    async def _close(self) -> None:
        """Close the connection."""

    def _of(self, account: str) -> _Held:
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._keeping = loop, None
            self._tasks.forget()
            self._held.clear()
        held = self._held.get(account)
        if held is None:
            held = self._held[account] = _Held(self._limit)
        if self._keeping is None or self._keeping.done():
            self._keeping = self._tasks.start(self._keep(), name="hubline.runs: budget")
        return held

    async def _report(self, account: str, want: int = 0) -> int:
        """Send the totals, and reserve more; returns how much. Raises BackplaneError."""
        held = self._of(account)
        held.users += 1
        try:
            async with held.lock:
                charged = held.charged
                window, lease = round(self._window * 1000), round(self._lease * 1000)
                totals = held.holder, held.reserved, charged
                report = Report(*totals, want, self._limit, window, lease, lease * OUTLIVED)
                granted, left = await self._settle(account, report)
                held.reserved += granted
                held.told, held.left = charged, max(0, left - (held.charged - charged))
                return granted
        finally:
            held.users -= 1

    async def _keep(self) -> None:
        """Renew the lease of reservations, and send totals that could not be sent, until there are neither."""
        while self._held:
            await self._clock.sleep(self._lease * 0.3)
            for account, held in list(self._held.items()):
                with suppress(BackplaneError):
                    if held.users or held.reserved or held.told != held.charged:
                        await self._report(account)
                    else:
                        del self._held[account]
                        await self._forget(account, held.holder)
