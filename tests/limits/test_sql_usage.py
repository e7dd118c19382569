"""Quotas of several servers in PostgreSQL and in a file of SQLite."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from hubline import BackplaneError, ConfigurationError
from hubline.limits import QuestionsAtOnce, QuotaExceeded, Quotas, Tier, UsageStore
from hubline.limits.postgres_usage import PostgresUsage
from hubline.limits.sqlite_usage import SQLiteUsage
from hubline.testing import ManualClock, QuestionsSuite, UsageStoreSuite
from tests.runs.storages import SQL, Storage
from tests.valkey import until

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
FREE = Tier("free", tokens_per_day=10, questions_at_once=1)


@asynccontextmanager
async def opened(storage: Storage, **settings: Any) -> AsyncIterator[SQLiteUsage | PostgresUsage]:
    url = storage.url
    sqlite = url.startswith("sqlite:")
    usage = SQLiteUsage(url.removeprefix("sqlite:"), **settings) if sqlite else PostgresUsage(url, **settings)
    try:
        yield usage
    finally:
        await usage.close()


@pytest.fixture(params=SQL)
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "sqlite":
        return Storage(f"sqlite:{tmp_path / 'quotas.sqlite'}")
    return Storage(request.getfixturevalue("postgres_url"))


class TestSqlUsage(UsageStoreSuite):
    @pytest.fixture(autouse=True)
    def _storage(self, storage: Storage) -> None:
        self.storage = storage

    @asynccontextmanager
    async def store(self) -> AsyncIterator[UsageStore]:
        async with opened(self.storage) as usage:
            yield usage


class TestSqlQuestions(QuestionsSuite):
    @pytest.fixture(autouse=True)
    def _storage(self, storage: Storage) -> None:
        self.storage = storage

    @asynccontextmanager
    async def questions(self) -> AsyncIterator[QuestionsAtOnce]:
        async with opened(self.storage) as usage:
            yield usage


def test_settings_that_are_none_are_told_together() -> None:
    with pytest.raises(ConfigurationError, match=r"lease(?s:.*)path"):
        SQLiteUsage("", lease=0)
    with pytest.raises(ConfigurationError, match=r"lease(?s:.*)table"):
        PostgresUsage("postgresql://localhost", lease=0, table="")


async def test_tokens_and_questions_of_all_servers_count_together(storage: Storage) -> None:
    async with opened(storage) as one, opened(storage) as two:
        first, second = (Quotas(usage, questions=usage, now=lambda: NOON) for usage in (one, two))
        async with first.question("ada", FREE) as question:
            with pytest.raises(QuotaExceeded, match="question"):
                async with second.question("ada", FREE):
                    pass
            await question.spend(8)
        assert (await second.left("ada", FREE)).tokens == 2
        with pytest.raises(QuotaExceeded):
            async with second.question("ada", FREE) as question:
                await question.spend(3)
        with pytest.raises(QuotaExceeded):
            async with first.question("ada", FREE):
                pass


async def test_a_question_goes_on_counting_and_that_of_a_server_that_has_gone_does_not(storage: Storage) -> None:
    clock = ManualClock()
    async with opened(storage, clock=clock) as one, opened(storage) as two:
        assert await one.enter("ada", 1) is not None
        await storage.change("UPDATE hubline_usage_questions SET until = 1")
        await clock.advance(3)

        async def renewed() -> bool:
            return await storage.rows("SELECT until FROM hubline_usage_questions") != [(1,)]

        await until(renewed)
        assert await two.enter("ada", 1) is None
        await one.close()  # without a word, as one that was killed
        await storage.change("UPDATE hubline_usage_questions SET until = 1")
        assert await two.enter("ada", 1) is not None


async def test_what_is_not_used_any_more_is_removed(storage: Storage) -> None:
    async with opened(storage) as usage:
        await usage.add("ada", NOON.date(), 5)
        await usage.enter("ada", 1)
        await storage.change("UPDATE hubline_usage SET until = 1")
        await storage.change("UPDATE hubline_usage_questions SET until = 1")
        await usage.add("bob", date(2026, 11, 29), 7)
        assert await storage.rows("SELECT day, tokens FROM hubline_usage") == [("2026-11-29", 7)]
        assert await storage.rows("SELECT * FROM hubline_usage_questions") == []


async def test_quotas_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    async with opened(Storage(f"sqlite:{tmp_path}")) as usage:
        with pytest.raises(BackplaneError, match=r"quotas in .* cannot be used at present"):
            await usage.add("ada", NOON.date(), 5)
