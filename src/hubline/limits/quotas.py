"""Tiers: how many tokens a user has in a day, and how many questions may be asked at once."""

import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol

from hubline import _worker
from hubline._mistakes import Mistakes
from hubline.errors import QuotaExceeded

logger = logging.getLogger("hubline.limits")

EACH_WORKER = (
    "quotas in memory count %s in each worker. SQLiteUsage(path) of hubline.limits.sqlite_usage counts for all workers "
    "together, PostgresUsage and RedisUsage for several machines: Quotas(usage, questions=usage)"
)


@dataclass(frozen=True, slots=True)
class Tier:
    """What a kind of user may use. `None` is no limit."""

    name: str
    """The application's name for it."""
    model: str | None = None
    """The model for these users. Hubline does not use it."""
    tokens_per_day: int | None = None
    """Tokens that a user may spend in a day (UTC); `None` is no limit."""
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
    """What a user has left of today's quota."""

    tokens: int | None
    """Tokens that are left today, never negative; `None` without a limit."""
    resets_at: datetime
    """When the next day begins, in UTC."""


class UsageStore(Protocol):
    """Stores how many tokens each user has used on each day.

    `hubline.testing.UsageStoreSuite` has the tests that every store must pass.
    """

    async def used(self, user_id: str, day: date) -> int:
        """The tokens of this user on this day; 0 for an unknown user or day."""

    async def add(self, user_id: str, day: date, tokens: int) -> int:
        """Add tokens and return the new total. Atomic: two concurrent calls return different totals."""


class MemoryUsage:
    """A `UsageStore` in the memory of the process. It keeps the last two days."""

    def __init__(self) -> None:
        self._days: dict[date, Counter[str]] = {}

    async def used(self, user_id: str, day: date) -> int:
        """The tokens of this user on this day; 0 for a day that is no longer kept."""
        return self._days.get(day, Counter())[user_id]

    async def add(self, user_id: str, day: date, tokens: int) -> int:
        """Add tokens, return the new total, and remove all days but the last two."""
        used = self._days.setdefault(day, Counter())
        used[user_id] += tokens
        for old in sorted(self._days)[:-2]:
            del self._days[old]
        return used[user_id]


class QuestionsAtOnce(Protocol):
    """Counts the questions of each user that are being answered.

    `hubline.testing.QuestionsSuite` has the tests that every one must pass.
    """

    async def enter(self, user_id: str, most: int) -> str | None:
        """A question begins: its ticket; `None` if `most` are being answered. Atomic: of two for the last place, one.

        A question whose process has gone must not count for ever.
        """

    async def leave(self, user_id: str, ticket: str) -> None:
        """The question is over."""


class MemoryQuestions:
    """`QuestionsAtOnce` of this process."""

    def __init__(self) -> None:
        self._asking: Counter[str] = Counter()

    async def enter(self, user_id: str, most: int) -> str | None:
        """A question begins. Never waits."""
        if self._asking[user_id] >= most:
            return None
        self._asking[user_id] += 1
        return user_id

    async def leave(self, user_id: str, ticket: str) -> None:
        """The question is over."""
        self._asking[user_id] -= 1
        if not self._asking[user_id]:
            del self._asking[user_id]


class Question:
    """A question that is being answered."""

    def __init__(self, quotas: "Quotas", user_id: str, tier: Tier) -> None:
        self._quotas, self._user_id, self._tier = quotas, user_id, tier

    async def spend(self, tokens: int) -> None:
        """Count tokens for today.

        Raises:
            QuotaExceeded: more tokens are used than the tier allows for the day. They are counted before it is raised.
        """
        await self._quotas.spend(self._user_id, self._tier, tokens)


class Quotas:
    """Counts what users of tiers use. A day is a day in UTC.

    The store counts the tokens, so their limit can hold across restarts and servers. Questions at once are counted in
    this process, or by `questions`: with `SQLiteUsage`, `PostgresUsage` or `RedisUsage`, both for all servers. What
    each worker of `hubline run --workers` counts by itself is told in the log when it is first used.
    """

    def __init__(
        self,
        store: UsageStore,
        *,
        questions: QuestionsAtOnce | None = None,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        """Tests set `now`, which returns a time with its zone."""
        self._store, self._now = store, now or _utc_now
        self._questions = questions or MemoryQuestions()
        self._unshared = _unshared(store, self._questions)

    async def left(self, user_id: str, tier: Tier) -> Left:
        """What the user has left today."""
        today, resets_at = self._today()
        if tier.tokens_per_day is None:
            return Left(None, resets_at)
        self._tell("tokens")
        return Left(max(0, tier.tokens_per_day - await self._store.used(user_id, today)), resets_at)

    @asynccontextmanager
    async def question(self, user_id: str, tier: Tier) -> AsyncIterator[Question]:
        """A question of this user. While the block runs, it counts as one of the questions at once.

        Raises:
            QuotaExceeded: as many questions as the tier allows are being answered, or no token is left today.
        """
        most, ticket = tier.questions_at_once, None
        if most is not None:
            self._tell("questions")
            ticket = await self._questions.enter(user_id, most)
            if ticket is None:
                raise QuotaExceeded("questions", most)
        try:
            left = await self.left(user_id, tier)
            if left.tokens == 0 and tier.tokens_per_day is not None:
                raise QuotaExceeded("tokens", tier.tokens_per_day, left.resets_at)
            yield Question(self, user_id, tier)
        finally:
            if ticket is not None:
                await self._questions.leave(user_id, ticket)

    async def spend(self, user_id: str, tier: Tier, tokens: int) -> None:
        """Count tokens that do not belong to a question, as `Question.spend` does."""
        if tokens < 0:
            raise ValueError(f"the number of tokens must not be negative, got {tokens}")
        today, resets_at = self._today()
        total = await self._store.add(user_id, today, tokens)
        if tier.tokens_per_day is not None and total > tier.tokens_per_day:
            raise QuotaExceeded("tokens", tier.tokens_per_day, resets_at)

    def _tell(self, what: str) -> None:
        """Warn once, in the first worker, if each worker counts this by itself."""
        if what in self._unshared:
            self._unshared.discard(what)
            logger.warning(EACH_WORKER, what)

    def _today(self) -> tuple[date, datetime]:
        today = self._now().astimezone(UTC).date()
        return today, datetime.combine(today + timedelta(days=1), time(), UTC)


def _unshared(store: UsageStore, questions: QuestionsAtOnce) -> set[str]:
    """What of several workers each counts by itself, for the one that warns."""
    worker = _worker.current
    if worker is None or worker.number != 0 or worker.count == 1:
        return set()
    found = {"tokens": isinstance(store, MemoryUsage), "questions": isinstance(questions, MemoryQuestions)}
    return {name for name, is_so in found.items() if is_so}


def _utc_now() -> datetime:
    return datetime.now(UTC)
