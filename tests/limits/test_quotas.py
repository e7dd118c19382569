"""Tiers over a store, at midnight and under concurrency."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from hubline import ConfigurationError, HubError, _worker
from hubline._mistakes import Mistakes
from hubline._worker import Worker
from hubline.limits import (
    Left,
    MemoryQuestions,
    MemoryUsage,
    QuestionsAtOnce,
    QuotaExceeded,
    Quotas,
    Tier,
    UsageStore,
)
from hubline.limits.shared_usage import SharedUsage
from hubline.limits.sqlite_usage import SQLiteUsage
from hubline.testing import ManualClock, QuestionsSuite, UsageStoreSuite, settle

FREE = Tier("free", model="small", tokens_per_day=100, questions_at_once=1)
UNLIMITED = Tier("staff")
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 26, tzinfo=UTC)


class Fixture:
    """Quotas over memory, at a time that tests set."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now
        self.store = MemoryUsage()
        self.quotas = Quotas(self.store, now=lambda: self.now)


class TestMemoryQuestions(QuestionsSuite):
    @asynccontextmanager
    async def questions(self) -> AsyncIterator[QuestionsAtOnce]:
        yield MemoryQuestions()


class TestMemoryUsage(UsageStoreSuite):
    @asynccontextmanager
    async def store(self) -> AsyncIterator[UsageStore]:
        yield MemoryUsage()


async def test_memory_keeps_two_days() -> None:
    store = MemoryUsage()
    days = [date(2026, 11, day) for day in (1, 2, 3)]
    for day in days:
        await store.add("ada", day, 7)
    assert [await store.used("ada", day) for day in days] == [0, 7, 7]


async def test_exactly_the_tokens_of_the_day_may_be_spent_and_one_more_is_refused_but_counted() -> None:
    made = Fixture()
    async with made.quotas.question("ada", FREE) as question:
        await question.spend(60)
        assert await made.quotas.left("ada", FREE) == Left(40, MIDNIGHT)
        await question.spend(40)
        assert await made.quotas.left("ada", FREE) == Left(0, MIDNIGHT)
        with pytest.raises(QuotaExceeded) as caught:
            await question.spend(1)
    error = caught.value
    assert (error.kind, error.limit, error.resets_at) == ("tokens", 100, MIDNIGHT)
    assert str(error) == "the 100 tokens of today are used up: there will be more at 00:00 UTC"
    assert isinstance(error, HubError), "its text travels to the caller"
    assert await made.store.used("ada", NOON.date()) == 101
    assert await made.quotas.left("ada", FREE) == Left(0, MIDNIGHT)


async def test_no_question_begins_without_a_token_left_and_others_are_not_affected() -> None:
    made = Fixture()
    await made.quotas.spend("ada", FREE, 100)
    with pytest.raises(QuotaExceeded, match="used up"):
        async with made.quotas.question("ada", FREE):
            pytest.fail("a question began")
    async with made.quotas.question("bob", FREE) as question:
        await question.spend(100)
    async with made.quotas.question("ada", UNLIMITED) as question:
        await question.spend(1)


async def test_a_new_day_begins_at_midnight_utc_also_in_the_middle_of_an_answer() -> None:
    made = Fixture(datetime(2026, 11, 26, 0, 59, tzinfo=timezone(timedelta(hours=1))))
    async with made.quotas.question("ada", FREE) as question:
        await question.spend(100)
        assert await made.quotas.left("ada", FREE) == Left(0, MIDNIGHT)
        made.now = MIDNIGHT
        await question.spend(1)
    assert await made.quotas.left("ada", FREE) == Left(99, MIDNIGHT + timedelta(days=1))


async def test_as_many_questions_at_once_as_the_tier_says() -> None:
    made = Fixture()
    two = Tier("two", questions_at_once=2)
    async with made.quotas.question("ada", two), made.quotas.question("ada", two):
        with pytest.raises(QuotaExceeded) as caught:
            async with made.quotas.question("ada", two):
                pytest.fail("a question began")
        async with made.quotas.question("bob", two):
            pass
    assert (caught.value.kind, caught.value.limit, caught.value.resets_at) == ("questions", 2, None)
    assert str(caught.value) == "2 questions at once may be asked: wait until one is answered"
    assert str(QuotaExceeded("questions", 1)).startswith("1 question at once")
    async with made.quotas.question("ada", two), made.quotas.question("ada", two):
        pass


async def test_a_question_that_fails_or_is_cancelled_frees_its_place() -> None:
    made = Fixture()
    with pytest.raises(ZeroDivisionError):
        async with made.quotas.question("ada", FREE):
            raise ZeroDivisionError
    begun = asyncio.Event()

    async def ask() -> None:
        async with made.quotas.question("ada", FREE):
            begun.set()
            await asyncio.Event().wait()

    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(ask())
        await begun.wait()
        asking.cancel()
    async with made.quotas.question("ada", FREE):
        pass


async def test_a_question_that_waits_for_the_store_already_counts() -> None:
    class Slow(MemoryUsage):
        answer = asyncio.Event()

        async def used(self, user_id: str, day: date) -> int:
            await self.answer.wait()
            return await super().used(user_id, day)

    store = Slow()
    quotas = Quotas(store, now=lambda: NOON)
    refused = []

    async def ask() -> None:
        try:
            async with quotas.question("ada", FREE):
                pass
        except QuotaExceeded as error:
            refused.append(error.kind)
        store.answer.set()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(ask())
        tasks.create_task(ask())
    assert refused == ["questions"]


async def test_tokens_spent_at_once_are_never_lost() -> None:
    made = Fixture()
    many = Tier("many", tokens_per_day=50)

    async def answer(refusals: list[QuotaExceeded]) -> None:
        async with made.quotas.question("ada", many) as question:
            for _ in range(30):
                try:
                    await question.spend(1)
                except QuotaExceeded as error:
                    refusals.append(error)
                await asyncio.sleep(0)

    refusals: list[QuotaExceeded] = []
    await asyncio.gather(answer(refusals), answer(refusals))
    assert len(refusals) == 10
    assert await made.store.used("ada", NOON.date()) == 60


async def test_without_limits_tokens_are_counted_all_the_same() -> None:
    made = Fixture()
    async with made.quotas.question("ada", UNLIMITED) as question, made.quotas.question("ada", UNLIMITED):
        await question.spend(1_000_000)
    assert await made.quotas.left("ada", UNLIMITED) == Left(None, MIDNIGHT)
    assert await made.store.used("ada", NOON.date()) == 1_000_000


async def test_a_tier_of_nothing_admits_no_question() -> None:
    made = Fixture()
    for nothing, kind in [
        (Tier("guest", tokens_per_day=0), "tokens"),
        (Tier("guest", questions_at_once=0), "questions"),
    ]:
        with pytest.raises(QuotaExceeded) as caught:
            async with made.quotas.question("ada", nothing):
                pytest.fail("a question began")
        assert caught.value.kind == kind


async def test_tokens_cannot_be_given_back() -> None:
    with pytest.raises(ValueError, match="must not be negative, got -1"):
        await Fixture().quotas.spend("ada", FREE, -1)


def test_negative_limits_are_mistakes() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Tier("broken", tokens_per_day=-1, questions_at_once=-2)
    assert caught.value.problems == (
        "Tier 'broken'.tokens_per_day must be a whole number, 0 or greater, or None, got -1",
        "Tier 'broken'.questions_at_once must be a whole number, 0 or greater, or None, got -2",
    )


@pytest.mark.parametrize("value", [True, 1.5, float("nan"), "100"])
def test_what_is_no_number_is_a_mistake_too(value: Any) -> None:
    for setting in ("tokens_per_day", "questions_at_once"):
        with pytest.raises(ConfigurationError, match=f"{setting} must be a whole number"):
            Tier("broken", **{setting: value})
    with pytest.raises(ConfigurationError, match="name must be a text, got 5"):
        Tier(5, tokens_per_day=value)  # type: ignore[arg-type]


def test_by_default_a_day_is_the_day_it_is() -> None:
    today = datetime.now(UTC).date()
    left = asyncio.run(Quotas(MemoryUsage()).left("ada", UNLIMITED))
    assert left.resets_at.date() - today in (timedelta(days=1), timedelta(days=2))


async def test_what_each_worker_counts_by_itself_is_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(_worker, "current", Worker(0, "unused", "secret", 4))
    quotas = Quotas(MemoryUsage())
    assert caplog.messages == []
    for _ in range(2):
        async with quotas.question("ada", Tier("free", tokens_per_day=10, questions_at_once=1)):
            pass
    assert [message.split(" in each worker")[0] for message in caplog.messages] == [
        "quotas in memory count questions",
        "quotas in memory count tokens",
    ]


async def test_nothing_is_told_of_quotas_that_are_shared_or_not_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    monkeypatch.setattr(_worker, "current", Worker(0, "unused", "secret", 4))
    usage = SQLiteUsage(tmp_path / "quotas.sqlite")
    async with Quotas(usage, questions=usage).question("ada", Tier("free", tokens_per_day=10, questions_at_once=1)):
        pass
    await usage.close()
    async with Quotas(MemoryUsage()).question("ada", Tier("premium")):
        pass
    monkeypatch.setattr(_worker, "current", Worker(1, "unused", "secret", 4))
    await Quotas(MemoryUsage()).left("ada", Tier("free", tokens_per_day=10))
    assert caplog.messages == []


class Storage(SharedUsage):
    """What several servers share, with answers that a test holds in its hand."""

    def __init__(self) -> None:
        super().__init__(Mistakes("Storage"), lease=10, clock=ManualClock())
        self.go, self.counted = asyncio.Event(), set[str]()
        self.first = self.last = False
        """Whether it counts the question before or after it is held."""

    async def used(self, user_id: str, day: date) -> int:
        return 0

    async def add(self, user_id: str, day: date, tokens: int) -> int:
        return tokens

    async def _enter(self, user_id: str, ticket: str, most: int) -> bool:
        if self.first:
            self.counted.add(ticket)
        await self.go.wait()
        if self.last:
            self.counted.add(ticket)
        return True

    async def _leave(self, user_id: str, ticket: str) -> None:
        self.counted.discard(ticket)

    async def _close(self) -> None: ...


async def test_a_question_that_is_given_up_while_it_begins_is_counted_no_more() -> None:
    storage = Storage()
    storage.first = True
    asking = asyncio.ensure_future(storage.enter("ada", 1))
    await settle()
    assert len(storage.counted) == 1
    asking.cancel()
    await asyncio.wait([asking])
    await settle()
    assert asking.cancelled()
    assert storage.counted == set()
    await storage.close()


async def test_a_question_that_ends_while_its_lease_is_renewed_is_counted_no_more() -> None:
    storage, clock = Storage(), ManualClock()
    storage._clock, storage.last = clock, True
    storage.go.set()
    ticket = await storage.enter("ada", 1)
    assert ticket is not None
    storage.go.clear()
    await clock.advance(3)
    await storage.leave("ada", ticket)
    storage.go.set()
    await settle()
    assert storage.counted == set()
    await storage.close()


async def test_the_leases_of_many_questions_are_renewed_in_time_by_a_slow_storage() -> None:
    storage, clock, renewed = Storage(), ManualClock(), dict[str, float]()
    storage._clock = clock

    async def enter(user_id: str, ticket: str, most: int) -> bool:
        if most == 0:
            await clock.sleep(1)
        renewed[ticket] = clock.now()
        return True

    storage._enter = enter  # type: ignore[method-assign]
    for _ in range(20):
        await storage.enter("ada", 100)
    await clock.advance(30)
    assert min(renewed.values()) > 20, "none is older than its lease"
    await storage.close()
