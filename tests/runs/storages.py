"""The storages that servers share a run log in, for tests that hold for all of them."""

import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest
from redis.asyncio import Redis

from hubline.runs import RunLog


@dataclass(frozen=True)
class Storage:
    """An empty storage, by the address at which tests find it."""

    url: str

    async def unsettled(self, *runs: str) -> int:
        """How many runs, of these or of all, another server would take over if their own went."""
        if self.url.startswith("redis:"):
            async with Redis.from_url(self.url, decode_responses=True) as redis:
                owned = [await redis.smembers(name) async for name in redis.scan_iter("hubline:nodes:*:runs")]
            found = {run for each in owned for run in each}
        else:
            found = {run for (run,) in await self.rows("SELECT id FROM hubline_runs WHERE settled = 0")}
        return len(found & set(runs) if runs else found)

    async def servers(self) -> set[str]:
        """The servers that others look after."""
        if self.url.startswith("redis:"):
            async with Redis.from_url(self.url, decode_responses=True) as redis:
                return {str(name) for name in await redis.smembers("hubline:nodes")}
        return {name for (name,) in await self.rows("SELECT name FROM hubline_runs_nodes")}

    async def forget(self, server: str) -> None:
        """What others do when the lease of a server has lapsed and its runs are taken over."""
        if self.url.startswith("redis:"):
            async with Redis.from_url(self.url) as redis:
                await redis.delete(f"hubline:nodes:{{{server}}}:lease")
                await redis.srem("hubline:nodes", server)
        else:
            await self.change(f"DELETE FROM hubline_runs_nodes WHERE name = '{server}'")
            await self.change(f"DELETE FROM hubline_runs_topics WHERE node = '{server}'")

    async def life(self, run_id: str) -> float:
        """For how many ms a run is kept from now."""
        if self.url.startswith("redis:"):
            async with Redis.from_url(self.url) as redis:
                return float(await redis.pttl(f"hubline:runs:{{{run_id}}}:state"))
        rows = await self.rows(f"SELECT until FROM hubline_runs WHERE id = '{run_id}'")
        return float(rows[0][0]) - time.time() * 1000

    async def shorten(self, run_id: str, life: int) -> None:
        """Keep a run for so many ms from now, unless somebody renews it."""
        if self.url.startswith("redis:"):
            async with Redis.from_url(self.url) as redis:
                await redis.pexpire(f"hubline:runs:{{{run_id}}}:state", life)
        else:
            until = round(time.time() * 1000) + life
            await self.change(f"UPDATE hubline_runs SET until = {until} WHERE id = '{run_id}'")

    async def expire_keys(self) -> float:
        """Let the time of all keys of requests pass; returns how many ms the longest had left."""
        if self.url.startswith("redis:"):
            async with Redis.from_url(self.url) as redis:
                names = [name async for name in redis.scan_iter("hubline:keys:*")]
                left = [await redis.pttl(name) for name in names]
                await redis.delete(*names)
            return float(max(left))
        rows = await self.rows("SELECT until FROM hubline_runs_keys")
        await self.change("UPDATE hubline_runs_keys SET until = 0")
        return float(max(until for (until,) in rows)) - time.time() * 1000

    async def rows(self, query: str) -> list[Any]:
        """What a database has."""
        if self.url.startswith("sqlite:"):
            with closing(sqlite3.connect(self.url.removeprefix("sqlite:"))) as file:
                return file.execute(query).fetchall()
        import psycopg

        async with await psycopg.AsyncConnection.connect(self.url) as connection:
            return await (await connection.execute(query.encode())).fetchall()

    async def change(self, statement: str) -> None:
        """Change something in a database."""
        if self.url.startswith("sqlite:"):
            with closing(sqlite3.connect(self.url.removeprefix("sqlite:"), isolation_level=None)) as file:
                file.execute(statement)
            return
        import psycopg

        async with await psycopg.AsyncConnection.connect(self.url) as connection:
            await connection.execute(statement.encode())


KINDS = (
    pytest.param("redis", marks=pytest.mark.valkey),
    "sqlite",
    pytest.param("postgres", marks=pytest.mark.postgres),
)
"""The parameters of the fixture `storage`."""

SQL = KINDS[1:]

LONG = (*KINDS[:2], pytest.param("postgres", marks=[pytest.mark.postgres, pytest.mark.slow]))
"""The same for tests that take seconds each: what differs between SQLite and PostgreSQL is tested by shorter ones."""


def log_at(url: str, **settings: Any) -> RunLog:
    """A log in the storage with this address: `redis:`, `postgresql:`, or `sqlite:` and the path of a file."""
    if url.startswith("sqlite:"):
        from hubline.runs.sqlite_log import SQLiteRunLog

        return SQLiteRunLog(url.removeprefix("sqlite:"), **settings)
    if url.startswith("postgresql:"):
        from hubline.runs.postgres_log import PostgresRunLog

        return PostgresRunLog(url, **settings)
    from hubline.runs.redis_log import RedisRunLog

    return RedisRunLog(url, **settings)
