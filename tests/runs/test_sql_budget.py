"""Budgets of several servers in PostgreSQL and in a file of SQLite."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hubline import BackplaneError, ConfigurationError
from hubline.runs import Budget, Run
from hubline.runs.postgres_budget import PostgresBudget
from hubline.runs.sqlite_budget import SQLiteBudget
from hubline.sql.programs import stored
from hubline.testing import BudgetSuite, ManualClock
from tests.runs.fleet import fleet, until_holds
from tests.runs.storages import SQL, Storage

LAPSE = """UPDATE hubline_budgets SET holders = replace(holders, '"until": 1', '"until": -1')"""
"""Lets the leases of all servers end before 1970."""

shared = pytest.mark.parametrize("storage", SQL, indirect=True)


def budget_at(storage: Storage, limit: int, **settings: Any) -> SQLiteBudget | PostgresBudget:
    if storage.url.startswith("sqlite:"):
        return SQLiteBudget(storage.url.removeprefix("sqlite:"), limit, **settings)
    return PostgresBudget(storage.url, limit, **settings)


@asynccontextmanager
async def budgets(
    storage: Storage, count: int, limit: int = 10, **settings: Any
) -> AsyncIterator[list[SQLiteBudget | PostgresBudget]]:
    made = [budget_at(storage, limit, **settings) for _ in range(count)]
    try:
        yield made
    finally:
        for each in made:
            await each.close()


class TestSQLiteBudget(BudgetSuite):
    @pytest.fixture(autouse=True)
    def _file(self, tmp_path: Path) -> None:
        self.storage = Storage(f"sqlite:{tmp_path / 'budgets.sqlite'}")

    @asynccontextmanager
    async def budget(self, limit: int) -> AsyncIterator[Budget]:
        async with budgets(self.storage, 1, limit) as (budget,):
            yield budget


@pytest.mark.postgres
class TestPostgresBudget(BudgetSuite):
    @pytest.fixture(autouse=True)
    def _database(self, postgres_url: str) -> None:
        self.storage = Storage(postgres_url)

    @asynccontextmanager
    async def budget(self, limit: int) -> AsyncIterator[Budget]:
        async with budgets(self.storage, 1, limit) as (budget,):
            yield budget


def test_settings_that_are_none_are_told_together() -> None:
    with pytest.raises(ConfigurationError, match=r"limit(?s:.*)window(?s:.*)lease(?s:.*)path"):
        SQLiteBudget(":memory:", -1, window=0, lease=-1)
    with pytest.raises(ConfigurationError, match=r"limit(?s:.*)table"):
        PostgresBudget("postgresql://localhost", -1, table="Budgets")


@shared
@pytest.mark.rule("R26")
async def test_servers_share_an_account(storage: Storage) -> None:
    async with budgets(storage, 3) as (one, two, three), budgets(storage, 1, name="other") as (other,):
        assert [await one.reserve("ada", 6), await two.reserve("ada", 6), await three.reserve("ada", 6)] == [6, 4, 0]
        assert (await two.charge("ada", 1, reserved=1)).left == 0
        await one.release("ada", 6)
        assert (await three.charge("ada", 2)).left == 4
        assert await other.reserve("ada", 10) == 10


@shared
@pytest.mark.rule("R26")
async def test_of_servers_that_reserve_at_once_each_token_is_granted_once(storage: Storage) -> None:
    async with budgets(storage, 3, 25) as three:
        granted = await asyncio.gather(*(each.reserve("ada", 2) for each in three for _ in range(10)))
        assert sum(granted) == 25


@shared
@pytest.mark.rule("R26")
async def test_what_a_server_has_reserved_comes_back_when_it_has_gone_and_what_it_charged_does_not(
    storage: Storage,
) -> None:
    async with budgets(storage, 2) as (gone, other):
        assert await gone.reserve("ada", 8) == 8
        await gone.charge("ada", 3, reserved=3)
        assert (await other.charge("ada", 0)).left == 2
        await gone.close()  # without a word, as one that was killed
        await storage.change(LAPSE)
        assert (await other.charge("ada", 0)).left == 7


@shared
@pytest.mark.rule("R26")
async def test_a_reservation_is_renewed_while_its_server_lives(storage: Storage) -> None:
    clock = ManualClock()
    async with budgets(storage, 1, clock=clock) as (one,), budgets(storage, 1) as (other,):
        assert await one.reserve("ada", 8) == 8
        await storage.change(LAPSE)
        await clock.advance(3)

        async def renewed() -> bool:
            ((holders,),) = await storage.rows("SELECT holders FROM hubline_budgets")
            return "-" not in holders.partition('"until": ')[2]

        await until_holds(renewed)
        assert (await other.charge("ada", 0)).left == 2


@shared
@pytest.mark.rule("R26")
async def test_a_new_window_begins_with_nothing_used_and_what_nobody_uses_is_removed(storage: Storage) -> None:
    async with budgets(storage, 1, window=0.2, lease=0.01) as (budget,):
        await budget.charge("ada", 10)

        async def anew() -> bool:
            return await budget.reserve("ada", 10) == 10

        await until_holds(anew)
        await budget.release("ada", 10)
        people = iter(range(1_000_000))

        async def removed() -> bool:
            await budget.charge(f"user {next(people)}", 1)
            return not await storage.rows(f"SELECT 1 FROM hubline_budgets WHERE account = '{stored('ada')}'")

        await until_holds(removed)


@shared
@pytest.mark.rule("R26")
async def test_runs_on_two_servers_spend_one_budget(storage: Storage) -> None:
    async with fleet(storage) as servers, budgets(storage, 2) as (one, two):

        async def paying(run: Run) -> None:
            await run.charge(6)
            await run.text("paid")

        first = await servers.runs[0].start(paying, starter="ada", budget=one)
        assert (await first.wait()).state == "completed"
        second = await servers.runs[1].start(paying, starter="ada", budget=two)
        assert (await second.wait()).state == "limited"


@pytest.mark.parametrize("storage", SQL[1:], indirect=True)
@pytest.mark.rule("R26", "R32")
async def test_what_is_charged_while_the_database_is_away_is_counted_once_it_is_back(storage: Storage) -> None:
    away = "ALTER TABLE hubline_budgets RENAME TO gone"
    async with budgets(storage, 1, lease=0.5) as (cut_off,):
        assert await cut_off.reserve("ada", 4) == 4
        await storage.change(away)
        assert (await cut_off.charge("ada", 3, reserved=3)).left == 6
        assert (await cut_off.charge("ada", 5)).left == 1
        with pytest.raises(BackplaneError):
            await cut_off.reserve("ada", 1)
        await cut_off.release("ada", 1)
        await storage.change("ALTER TABLE gone RENAME TO hubline_budgets")
        async with budgets(storage, 1) as (other,):

            async def counted() -> bool:
                return (await other.charge("ada", 0)).left == 2

            await until_holds(counted)
        assert (await cut_off.charge("ada", 0)).left == 2  # and told again nothing changes


@shared
async def test_tables_of_a_newer_version_are_refused(storage: Storage) -> None:
    async with budgets(storage, 1) as (budget,):
        await budget.reserve("ada", 1)
    await storage.change("UPDATE hubline_budgets_version SET version = 2")
    async with budgets(storage, 1) as (budget,):
        with pytest.raises(BackplaneError, match="of version 2, and this release knows 1: use a newer release"):
            await budget.reserve("ada", 1)


async def test_a_file_that_cannot_be_opened_is_told_by_its_path(tmp_path: Path) -> None:
    async with budgets(Storage(f"sqlite:{tmp_path / 'none' / 'budgets.sqlite'}"), 1) as (budget,):
        with pytest.raises(BackplaneError, match=r"budgets in .*budgets\.sqlite cannot be used at present"):
            await budget.reserve("ada", 1)


@pytest.mark.pgbouncer
async def test_of_reservations_through_a_pool_each_token_is_granted_once(pooled_url: str) -> None:
    async with budgets(Storage(pooled_url), 2, 25) as two:
        granted = await asyncio.gather(*(each.reserve("ada", 2) for each in two for _ in range(15)))
        assert sum(granted) == 25
