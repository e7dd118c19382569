"""Transactions of PostgreSQL that lock several rows take them in one order: no two wait in a circle."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from psycopg import AsyncConnection

from hubline.rooms import Device, Presence
from hubline.rooms.postgres_store import PostgresRoomStore
from hubline.rooms.sql_programs import Message, keep_watched
from hubline.runs.postgres_log import PostgresRunLog
from hubline.runs.sql_programs import Append, renew
from hubline.sql.programs import Ask, Lock, Program
from tests.runs.fleet import until_holds
from tests.valkey import LIMIT

pytestmark = pytest.mark.postgres


def held(program: Program[Any], before: str) -> Program[Any]:
    """The program, which waits for the lock `gate` before statements that begin so."""
    answer: Any = None
    try:
        while True:
            step = program.send(answer)
            if isinstance(step, Ask) and step.text.startswith(before):
                yield Lock("gate")
            answer = yield step
    except StopIteration as done:
        return done.value


class Gate:
    """The lock on which `held` waits, and a look at who waits."""

    def __init__(self, connection: AsyncConnection[Any], table: str) -> None:
        self.connection, self._name = connection, f"{table} gate"

    async def lock(self, does: str = "pg_advisory_lock") -> None:
        await self.connection.execute(f"SELECT {does}(hashtextextended(%s, 0))".encode(), (self._name,))

    async def waits(self, kind: str) -> None:
        """Return when a transaction waits for a lock of this kind."""

        async def found() -> bool:
            query = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = %s"
            rows = await (await self.connection.execute(query, (kind,))).fetchall()
            return bool(rows[0][0])

        await until_holds(found)


@asynccontextmanager
async def gate_at(url: str, table: str) -> AsyncIterator[Gate]:
    async with asyncio.timeout(LIMIT), await AsyncConnection.connect(url, autocommit=True) as connection:
        gate = Gate(connection, table)
        await gate.lock()
        yield gate


async def test_a_renewal_and_an_append_to_a_run_that_was_made_meanwhile(postgres_url: str) -> None:
    log: Any = PostgresRunLog(postgres_url)
    await log.create("b")
    async with gate_at(postgres_url, "hubline_runs") as gate:
        renewing = asyncio.create_task(log._database.run(held(renew(log.node, {"b": 1}, 60_000), "UPDATE")))
        await gate.waits("advisory")
        columns = "epoch, fence, node, seq, batch, ended, ended_at, settled, until, about, fold"
        made = f"INSERT INTO hubline_runs (id, {columns}) SELECT 'a', {columns} FROM hubline_runs WHERE id = 'b'"
        await gate.connection.execute(made.encode())
        appends = [log._database.append(Append(each, 1, each, 1, "[]", "")) for each in "ab"]
        appending = asyncio.gather(*appends)
        await gate.waits("transactionid")
        await gate.lock("pg_advisory_unlock")
        assert await renewing == ([], [])
        assert [found.status for found in await appending] == ["ok", "ok"]
    await log.close()


async def test_keeping_rooms_and_messages_to_one_that_is_due_meanwhile(postgres_url: str) -> None:
    store: Any = PostgresRoomStore(postgres_url)

    class Listener:
        def __getattr__(self, name: str) -> Any:
            return lambda *news: None

    listener: Any = Listener()
    await store.open(listener)
    for room in "ab":
        await store.enter(room, "u:ada", Presence("ada", devices=(Device(room),)), state=True)
        await store.watch(room, listener)
    async with gate_at(postgres_url, "hubline_rooms") as gate:
        due = "UPDATE hubline_rooms SET until = {} WHERE label = '\"{}\"'"
        await gate.connection.execute(due.format(0, "b").encode())
        keeping = asyncio.create_task(store._database.run(held(keep_watched(store.node, 60_000), "UPDATE")))
        await gate.waits("advisory")
        await gate.connection.execute(due.format(0, "a").encode())
        messages = [Message(room, "1", room, 10, 60_000, None, "e") for room in "ab"]
        appending = asyncio.gather(*(store._database.append(each) for each in messages))
        await gate.waits("transactionid")
        await gate.lock("pg_advisory_unlock")
        await keeping
        assert [found.seq for found in await appending] == [1, 1]
    await store.close()
