"""How a server of a fleet uses what the fleet shares: by its address, a backplane and a log of runs."""

from typing import Any, Protocol
from urllib.parse import urlsplit

from redis.asyncio import Redis, Sentinel

from hubline.backplanes import Backplane
from hubline.backplanes.redis import RedisBackplane
from hubline.runs import RunLog
from hubline.runs.log import RunServer
from hubline.runs.redis_log import RedisRunLog
from hubline.runs.shared_log import SharedRunLog


class Notes(Protocol):
    """What a log notes."""

    def lapsed(self) -> None:
        """The lease of this server had lapsed: on a busy machine for no other reason."""

    def settled(self, run_id: str) -> None:
        """It has said of a run that `on_end` was told."""


class Noting(SharedRunLog):
    """Also notes what an account needs to know."""

    notes: Notes

    def join(self, server: RunServer, *, keep: float) -> None:
        returned = server.returned

        def noted() -> None:
            self.notes.lapsed()
            returned()

        server.returned = noted  # type: ignore[method-assign]
        super().join(server, keep=keep)

    async def settle(self, run_id: str, *, fence: int = 1) -> None:
        await super().settle(run_id, fence=fence)
        self.notes.settled(run_id)


def joined(address: str, lease: float, notes: Notes) -> tuple[Backplane | None, RunLog]:
    """For `redis:`, `sentinel://HOST:PORT/NAME` and `postgresql:`; for `sqlite:` workers have a backplane already."""
    backplane: Backplane | None = None
    log: Any
    if address.startswith("postgresql:"):
        from hubline.backplanes.postgres import PostgresBackplane
        from hubline.runs.postgres_log import PostgresRunLog

        class InPostgres(Noting, PostgresRunLog):
            pass

        poll = 0.05 if "port=" in address else None  # behind a pool
        backplane, log = PostgresBackplane(address, poll=poll), InPostgres(address, poll=poll, lease=lease)
    elif address.startswith("sqlite:"):
        from hubline.runs.sqlite_log import SQLiteRunLog

        class InSQLite(Noting, SQLiteRunLog):
            pass

        log = InSQLite(address.removeprefix("sqlite:"), lease=lease)
    else:

        class InRedis(Noting, RedisRunLog):
            pass

        backplane, log = RedisBackplane(_redis(address)), InRedis(_redis(address), lease=lease)
    log.notes = notes
    return backplane, log


def _redis(address: str) -> str | Redis:
    """The address, or a client that asks Sentinel for the primary."""
    parts = urlsplit(address)
    if parts.scheme != "sentinel":
        return address
    watch = Sentinel([(parts.hostname, parts.port)])  # type: ignore[no-untyped-call]
    client: Redis = watch.master_for(parts.path.strip("/"))
    return client
