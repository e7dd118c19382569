"""A budget in memory: of one process, or counted by the workers of one machine together."""

from contextlib import suppress

from hubline import _worker
from hubline._clock import Clock, MonotonicClock
from hubline._mistakes import Mistakes
from hubline.runs.budgets import Balance, Budget


class _Account:
    __slots__ = ("began", "reserved", "used")

    def __init__(self, began: float) -> None:
        self.began, self.used, self.reserved = began, 0, 0


class MemoryBudget:
    """A `Budget` that forgets with the process: `limit` tokens for each account in each `window` seconds.

    A window begins with the first use of an account. Tokens that are reserved at its end stay reserved in the next.
    The workers of `hubline run --workers` count it together, until all of them end, if it has a `name` or is the budget
    of a registered function (`Runs.function`). With a name, all budgets of this name are one.

    Raises:
        ConfigurationError: lists every value that is not valid.
    """

    def __init__(
        self, limit: int, *, window: float = 86_400.0, name: str | None = None, clock: Clock | None = None
    ) -> None:
        mistakes = Mistakes("MemoryBudget")
        mistakes.whole("limit", limit, least=0)
        mistakes.number("window", window, above=0)
        mistakes.text("name", name, optional=True)
        mistakes.has("clock", clock, "a clock", "now", "sleep", optional=True)
        mistakes.tell()
        self._limit, self._window, self._clock = limit, window, clock or MonotonicClock()
        self._shared: Budget | None = None
        """Where the workers of this machine count it together."""
        self._accounts: dict[str, _Account] = {}
        self._swept = self._clock.now()
        worker = _worker.current
        if name is not None and worker is not None:
            known = name, limit, window  # a budget may be made for each run
            if known not in worker.named:
                with suppress(ImportError):  # a Python that was built without SQLite
                    self._share(worker.budgets_path, f"named: {name}")
                    worker.named[known] = self._shared
            self._shared = worker.named.get(known)

    async def reserve(self, account: str, tokens: int) -> int:
        """As many of `tokens` as there are."""
        if self._shared is not None:
            return await self._shared.reserve(account, tokens)
        found = self._account(account)
        granted = max(0, min(tokens, self._left(found)))
        found.reserved += granted
        return granted

    async def charge(self, account: str, tokens: int, *, reserved: int = 0) -> Balance:
        """Count what was used."""
        if self._shared is not None:
            return await self._shared.charge(account, tokens, reserved=reserved)
        found = self._account(account)
        found.reserved -= min(reserved, found.reserved)
        found.used += tokens
        return Balance(self._limit, self._left(found))

    async def release(self, account: str, tokens: int) -> None:
        """Give back what was not used."""
        if self._shared is not None:
            return await self._shared.release(account, tokens)
        found = self._account(account)
        found.reserved -= min(tokens, found.reserved)

    def _share(self, path: str, name: str) -> None:
        """Count where the other workers do. Raises ImportError."""
        from hubline.runs.sqlite_budget import SQLiteBudget

        self._shared = SQLiteBudget(path, self._limit, name=name, window=self._window, temporary=True)

    def _left(self, account: _Account) -> int:
        return max(0, self._limit - account.used - account.reserved)

    def _account(self, name: str) -> _Account:
        now = self._clock.now()
        if now - self._swept >= self._window:
            self._swept = now
            kept = self._accounts.items()
            self._accounts = {key: each for key, each in kept if each.reserved or now - each.began < self._window}
        account = self._accounts.get(name)
        if account is None:
            account = self._accounts[name] = _Account(now)
        elif now - account.began >= self._window:
            account.began, account.used = now, 0
        return account
