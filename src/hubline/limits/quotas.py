"""Tiers: how many tokens a user has in a day, and how many questions may be asked at once."""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol

from hubline._mistakes import Mistakes
from hubline.errors import QuotaExceeded


@dataclass(frozen=True, slots=True)
class Tier:
    """What a kind of user may have. `None` is no limit; `model` is the application's to understand."""

    name: str
    """What the application calls it."""
    model: str | None = None
    """Which model these users get. The application's to understand."""
    tokens_per_day: int | None = None
    """Tokens that a user may spend in a day of UTC; `None` is no limit."""
    questions_at_once: int | None = None
    """Questions of one user that may be answered at once; `None` is no limit."""

    def __post_init__(self) -> None:
        mistakes = Mistakes(f"Tier {self.name!r}")
        mistakes.text("name", self.name)
        mistakes.text("model", self.model, optional=True)
        for limit in ("tokens_per_day", "questions_at_once"):
            mistakes.whole(limit, getattr(self, limit), least=0, optional=True)
        mistakes.tell()


@dataclass(frozen=True, slots=True)
class Left:
    """What a user has left of a day."""

    tokens: int | None
    """Tokens of today; `None` without a limit, and never negative."""
    resets_at: datetime
    """When the next day begins, in UTC."""


class UsageStore(Protocol):
    """Remembers how many tokens each user has used on each day.

    The conformance suite for one is `hubline.testing.UsageStoreSuite`.
    """

    async def used(self, user_id: str, day: date) -> int:
        """How many so far; 0 for a user or a day that nothing is known of."""

    async def add(self, user_id: str, day: date, tokens: int) -> int:
        """Add some, and tell the new total. Atomic: of two that add at once, each sees a total of its own."""


class MemoryUsage:
    """A `UsageStore` that forgets with the process, and every day but the last two while it lives."""

    def __init__(self) -> None:
        self._days: dict[date, Counter[str]] = {}

    async def used(self, user_id: str, day: date) -> int:
        """How many so far; 0 for a day it has forgotten."""
        return self._days.get(day, Counter())[user_id]

    async def add(self, user_id: str, day: date, tokens: int) -> int:
        """Add some, tell the new total, and forget all days but the last two."""
        used = self._days.setdefault(day, Counter())
        used[user_id] += tokens
        for old in sorted(self._days)[:-2]:
            del self._days[old]
        return used[user_id]


class Question:
    """A question that is being answered."""

    def __init__(self, quotas: "Quotas", user_id: str, tier: Tier) -> None:
        self._quotas, self._user_id, self._tier = quotas, user_id, tier

    async def spend(self, tokens: int) -> None:
        """Count tokens, on the day it is now.

        Raises:
            QuotaExceeded: more than the tier's tokens of the day are used. They are counted all the same.
        """
        await self._quotas.spend(self._user_id, self._tier, tokens)


class Quotas:
    """What users of tiers have left, over a store. A day is a day in UTC.

    Tokens are counted in the store, so they hold across restarts and servers; questions at once in this process.
    """

    def __init__(self, store: UsageStore, *, now: Callable[[], datetime] | None = None) -> None:
        """`now` is for tests: a time with its zone."""
        self._store, self._now = store, now or _utc_now
        self._asking: Counter[str] = Counter()

    async def left(self, user_id: str, tier: Tier) -> Left:
        """What the user still has today."""
        today, resets_at = self._today()
        if tier.tokens_per_day is None:
            return Left(None, resets_at)
        return Left(max(0, tier.tokens_per_day - await self._store.used(user_id, today)), resets_at)

    @asynccontextmanager
    async def question(self, user_id: str, tier: Tier) -> AsyncIterator[Question]:
        """A question of this user, counted among those at once while the block runs.

        Raises:
            QuotaExceeded: as many as the tier allows are being answered, or no token is left today.
        """
        if tier.questions_at_once is not None and self._asking[user_id] >= tier.questions_at_once:
            raise QuotaExceeded("questions", tier.questions_at_once)
        self._asking[user_id] += 1
        try:
            left = await self.left(user_id, tier)
            if left.tokens == 0 and tier.tokens_per_day is not None:
                raise QuotaExceeded("tokens", tier.tokens_per_day, left.resets_at)
            yield Question(self, user_id, tier)
        finally:
            self._asking[user_id] -= 1
            if not self._asking[user_id]:
                del self._asking[user_id]

    async def spend(self, user_id: str, tier: Tier, tokens: int) -> None:
        """Count tokens that belong to no question: as `Question.spend`."""
        if tokens < 0:
            raise ValueError(f"tokens are spent, not given back: got {tokens}")
        today, resets_at = self._today()
        total = await self._store.add(user_id, today, tokens)
        if tier.tokens_per_day is not None and total > tier.tokens_per_day:
            raise QuotaExceeded("tokens", tier.tokens_per_day, resets_at)

    def _today(self) -> tuple[date, datetime]:
        today = self._now().astimezone(UTC).date()
        return today, datetime.combine(today + timedelta(days=1), time(), UTC)


def _utc_now() -> datetime:
    return datetime.now(UTC)
