"""What servers hear of each other through PostgreSQL, whatever two transactions do at the same time."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from psycopg import AsyncConnection

from hubline.backplanes import postgres_connections
from hubline.runs.names import run_channel
from hubline.runs.postgres_log import PostgresRunLog
from hubline.runs.sql_nodes import subscribe, take_mail
from hubline.runs.sql_programs import published
from hubline.sql import postgres as sql_postgres
from hubline.sql.programs import Lock, Program
from tests.valkey import until

pytestmark = pytest.mark.postgres

CHANNEL = run_channel("r")


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (postgres_connections, sql_postgres):
        monkeypatch.setattr(module, "PATIENCE", 120.0)


@pytest.fixture
async def logs(postgres_url: str) -> AsyncIterator[list[PostgresRunLog]]:
    """Two servers."""
    logs = [PostgresRunLog(postgres_url) for _ in range(2)]
    for log in logs:
        await log._connect()
    yield logs
    for log in logs:
        await log.close()


def gated(program: Program[None]) -> Program[None]:
    """A program that is done, and commits when the gate opens."""
    yield from program
    yield Lock("gate")


async def waiting(admin: AsyncConnection[Any], count: int, or_done: "asyncio.Future[None] | None" = None) -> bool:
    """Whether so many transactions wait for a lock."""
    if or_done is not None and or_done.done():
        return True
    ((found,),) = await (await admin.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")).fetchall()
    return bool(found == count)


@pytest.mark.parametrize("first", ["subscribes", "publishes"])
async def test_who_subscribes_while_something_is_published_has_it_or_waits_until_it_can_be_read(
    logs: list[PostgresRunLog], postgres_url: str, first: str
) -> None:
    hears, tells = logs
    subscribing, publishing = subscribe("a server", [CHANNEL]), published([(CHANNEL, "news")])
    async with await AsyncConnection.connect(postgres_url, autocommit=True) as admin:
        await admin.execute("SELECT pg_advisory_lock(hashtextextended('hubline_runs gate', 0))")
        if first == "subscribes":
            one = asyncio.ensure_future(hears._database.run(gated(subscribing)))
            await until(lambda: waiting(admin, 1))
            two = asyncio.ensure_future(tells._database.run(publishing))
        else:
            one = asyncio.ensure_future(tells._database.run(gated(publishing)))
            await until(lambda: waiting(admin, 1))
            two = asyncio.ensure_future(hears._database.run(subscribing))
        await until(lambda: waiting(admin, 2, or_done=two))
        assert not two.done(), "it would not see what the other one has done"
        await admin.execute("SELECT pg_advisory_unlock_all()")
        await asyncio.gather(one, two)
    mail = [] if first == "publishes" else [(CHANNEL, "news")]
    assert [(channel, body) for _, channel, body in await hears._database.run(take_mail("a server"))] == mail
