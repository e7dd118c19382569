"""What the servers of a fleet share: a server of Redis or PostgreSQL that faults happen to, or a file of SQLite."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests.pgbouncer import pool
from tests.postgres import postgres
from tests.runs.storages import Storage
from tests.valkey import valkey
from tests.ways import Reached

DURABLE = ("--appendonly", "yes", "--appendfsync", "no")
"""What Valkey has confirmed is in the file when its process is killed, for it writes at once. With its default,
`everysec`, it confirms up to two seconds before it writes while the disk is slow."""


class Shared(Reached, Protocol):
    """A process of its own. What it has confirmed is there when it is started again."""

    @property
    def url(self) -> str:
        """Its address."""

    def start(self) -> None:
        """Return when it takes connections."""

    def stop(self) -> None:
        """At once, as if the machine had gone."""

    def freeze(self) -> None:
        """It stays there, and does nothing."""

    def thaw(self) -> None:
        """It goes on."""


Open = AbstractContextManager[Shared]


@contextmanager
def in_redis() -> Iterator[Shared]:
    with valkey(*DURABLE) as server:
        yield server


@contextmanager
def in_postgres() -> Iterator[Shared]:
    with postgres() as server:
        yield server


@contextmanager
def in_postgres_behind_a_pool() -> Iterator[Shared]:
    """Faults happen to PgBouncer, and what it has under way is lost; the database is well."""
    with postgres() as server, pool(server.directory) as made:
        yield made


async def states(url: str) -> str:
    """What a storage knows of each run and each server. For a run that stands still."""
    return await (_in_redis(url) if url.startswith("redis:") else _in_sql(url))


async def _in_redis(url: str) -> str:
    found = []
    try:
        async with Redis.from_url(url, socket_timeout=5) as client:
            for key in sorted([key.decode() async for key in client.scan_iter("hubline:runs:*:state")]):
                state = await client.hgetall(key)
                state.pop(b"about", None)
                hear = await client.pubsub_numsub(key.removesuffix("state") + "news")
                found.append(f"{key}: {state}, heard by {hear}")
            nodes = [key.decode() async for key in client.scan_iter("hubline:nodes:*:runs")]
            found += [f"{key}: {await client.smembers(key)}" for key in nodes]
    except (TimeoutError, RedisError) as error:
        found.append(f"Redis does not answer: {error!r}")
    return "\n".join(found)


TABLES = {
    "runs": "id, node, fence, ended, settled, until",
    "nodes": "name, until",
    "topics": "node, channel",
    "mail": "node, id, channel",
    "active": "run, until",
}


async def _in_sql(url: str) -> str:
    storage, found = Storage(url), []
    try:
        for table, columns in TABLES.items():
            rows = await storage.rows(f"SELECT {columns} FROM hubline_{'runs' if table == 'runs' else f'runs_{table}'}")
            found += [f"{table}: {columns} = {row}" for row in rows]
        if url.startswith("postgresql:"):
            doing = "SELECT pid, state, wait_event_type, wait_event, xact_start, query FROM pg_stat_activity"
            found += [f"process of PostgreSQL: {row}" for row in await storage.rows(f"{doing} WHERE datname <> ''")]
    except Exception as error:  # psycopg's, which may be missing
        found.append(f"the database does not answer: {error!r}")
    return "\n".join(found)
