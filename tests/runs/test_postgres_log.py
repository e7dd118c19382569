"""The log in PostgreSQL keeps what every log must, on a real server."""

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hubline.runs import Run, RunLog, RunRegistry, Runs
from hubline.runs.postgres_log import PostgresRunLog
from hubline.testing import RunLogSuite, RunRegistrySuite
from tests.runs import answering
from tests.runs.storages import Storage
from tests.runs.watching import kill_and_count_on, watching_one

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.postgres


class TestPostgresRunLog(RunLogSuite):
    @pytest.fixture(autouse=True)
    def _database(self, postgres_url: str) -> None:
        self.url = postgres_url

    @asynccontextmanager
    async def log(self, entries: int) -> AsyncIterator[RunLog]:
        log = PostgresRunLog(self.url, entries=entries)
        try:
            yield log
        finally:
            await log.close()


class TestPostgresRegistry(RunRegistrySuite):
    @pytest.fixture(autouse=True)
    def _database(self, postgres_url: str) -> None:
        self.url = postgres_url

    @asynccontextmanager
    async def registries(self, count: int) -> AsyncIterator[Sequence[RunRegistry]]:
        logs = [PostgresRunLog(self.url) for _ in range(count)]
        try:
            yield [log.registry for log in logs]
        finally:
            for log in logs:
                await log.close()


async def test_a_role_with_the_documented_rights_and_no_others_is_enough(postgres_url: str) -> None:
    owner = PostgresRunLog(postgres_url)
    await owner.make_tables()
    guide = await asyncio.to_thread((ROOT / "docs/guides/answers-that-survive.md").read_text, "utf-8")
    grants = "\n".join(re.findall(r"^GRANT .* ON hubline_runs.* TO hubline;$", guide, re.M))
    role = f"role_{secrets.token_hex(4)}"
    storage = Storage(postgres_url)
    await storage.change("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    await storage.change(f"CREATE ROLE {role} LOGIN; {grants.replace('TO hubline', f'TO {role}')}")
    log = PostgresRunLog(postgres_url.replace("postgres@", f"{role}@"), lease=0.05)
    runs = Runs(log=log, keep=0.1, drain=0)
    run = await runs.start(quick, room="r", starter="alice", key="k")
    assert (await run.wait()).state == "completed"
    await runs.drain()


async def quick(run: Run) -> None:
    await run.text("quick")


@pytest.mark.rule("R30")
async def test_a_function_whose_server_was_killed_goes_on_with_what_was_written(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "GO", asyncio.Queue())  # a queue belongs to an event loop
    storage = Storage(postgres_url)
    async with watching_one(storage, "counting") as (servers, other, run_id):
        await kill_and_count_on(servers, other, run_id)
