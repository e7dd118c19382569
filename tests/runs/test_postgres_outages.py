"""The log in PostgreSQL while the database, or a server, stands still or is away."""

import asyncio
from pathlib import Path

import pytest
from psycopg.errors import LockNotAvailable

from hubline.backplanes.postgres_connections import Connections
from hubline.runs import FinishedRun, Run, Runs
from hubline.runs.postgres_database import make_tables
from hubline.runs.sql_log import RUNS
from hubline.runs.sql_nodes import clean
from hubline.runs.sql_tables import TABLES
from hubline.sql import postgres as programs
from hubline.sql.postgres import Session, dialect
from hubline.sql.programs import Ask, Lock, Program
from tests import postgres
from tests.runs.fleet import are_watching, text, to_the_end, until_told
from tests.runs.storages import log_at
from tests.runs.test_backlog import is_back
from tests.valkey import LIMIT, until
from tests.ways import link

pytestmark = pytest.mark.postgres


async def test_a_server_that_is_cut_off_in_a_transaction_does_not_keep_its_locks(
    postgres_server: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "PATIENCE", 2.0)
    database, tables = postgres.made(postgres_server), dialect("hubline_runs", TABLES)
    there = Connections(database.url)
    await make_tables(there, "hubline_runs", RUNS)
    has_the_lock = asyncio.Event()
    async with link(database) as way:

        def cut_off() -> Program[None]:
            yield Lock("cleaning")
            yield Ask("SELECT 1")
            way.silence()
            has_the_lock.set()
            yield Ask("SELECT 1")

        async def cleans() -> bool:
            try:
                await Session(left, tables, None).run(clean("node", 0))
            except LockNotAvailable:
                return False
            return True

        lost, left = await Connections(way.url).open(), await there.open()
        waiting = asyncio.create_task(Session(lost, tables, None).run(cut_off()))
        try:
            async with asyncio.timeout(LIMIT):
                await has_the_lock.wait()
            await until(cleans)
        finally:
            way.cut()
            await asyncio.wait([waiting])
            await left.close()


@pytest.mark.rule("R32")
async def test_a_pause_of_postgres_is_a_pause_of_the_run_and_everything_is_there_once() -> None:
    ends: list[tuple[str, str]] = []
    whole = "".join(f"{number} " for number in range(200))
    with postgres.postgres() as server:

        async def on_end(run: FinishedRun) -> None:
            ends.append((run.info.state, run.text))

        first, second = (Runs(log=log_at(server.url, lease=1.0), on_end=on_end, merge=0, drain=0) for _ in range(2))
        begun, away = asyncio.Event(), asyncio.Event()

        async def count(run: Run) -> None:
            for number in range(200):
                await run.text(f"{number} ")
                if number == 50:
                    begun.set()
                    await away.wait()

        async def is_away() -> bool:
            return not await is_back(first) and not await is_back(second)

        run = await first.start(count)
        viewers = [asyncio.create_task(to_the_end(runs, run.id)) for runs in (first, second)]
        try:
            async with asyncio.timeout(LIMIT):
                await begun.wait()
            await until(lambda: are_watching(first, run.id, 2))
            await asyncio.to_thread(server.stop)
            away.set()  # from here on it writes without PostgreSQL
            await until(is_away)
            await asyncio.to_thread(server.start)
            for items in await asyncio.gather(*viewers):
                assert text(items) == whole
                assert items[-1]["state"] == "completed"
            await until_told(ends, 1)
            assert ends == [("completed", whole)]
        finally:
            for runs in (first, second):
                await runs.drain()
