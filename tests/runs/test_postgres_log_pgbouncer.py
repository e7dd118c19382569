"""A log in PostgreSQL behind PgBouncer in transaction mode, which hands no NOTIFY on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from hubline.runs import Caller, RunLog, Runs
from hubline.runs.postgres_log import PostgresRunLog
from hubline.testing import RunLogSuite
from tests.runs.fleet import say, text

pytestmark = [pytest.mark.pgbouncer, pytest.mark.postgres]


class TestPostgresRunLogBehindPgBouncer(RunLogSuite):
    @pytest.fixture(autouse=True)
    def _database(self, pooled_url: str) -> None:
        self.url = pooled_url

    @asynccontextmanager
    async def log(self, entries: int) -> AsyncIterator[RunLog]:
        log = PostgresRunLog(self.url, entries=entries, poll=0.02)
        try:
            yield log
        finally:
            await log.close()


@pytest.mark.rule("R29")
async def test_servers_behind_the_pool_attach_to_and_stop_each_others_runs(pooled_url: str) -> None:
    servers = [Runs(log=PostgresRunLog(pooled_url, poll=0.02), merge=0, drain=0) for _ in range(2)]
    try:
        words: asyncio.Queue[str | None] = asyncio.Queue()
        run = await servers[0].start(say, words, starter="alice")
        items = []
        words.put_nowait("one ")
        async for item in servers[1].attach(run.id, caller=Caller("alice")):
            items.append(item)
            if item.get("text") == "one ":
                words.put_nowait("two ")
            elif item.get("text") == "two ":
                stopped = await servers[1].stop(run.id)
                assert stopped.state == "stopped"
        assert text(items) == "one two "
        assert items[-1]["kind"] == "end"
    finally:
        for runs in servers:
            await runs.drain()
