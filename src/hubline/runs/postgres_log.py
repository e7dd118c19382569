"""Runs in PostgreSQL, so that several servers have them. Needs the extra `postgres`."""

from hubline._clock import Clock, MonotonicClock
from hubline._mistakes import Mistakes
from hubline.backplanes.postgres_connections import Connections, check_settings
from hubline.runs.postgres_database import PostgresDatabase, make_tables
from hubline.runs.sql_database import Events
from hubline.runs.sql_log import RUNS, SqlRunLog

__all__ = ["PostgresRunLog"]


class PostgresRunLog(SqlRunLog):
    """A `RunLog` in PostgreSQL (14 or newer): any server attaches to, stops, answers, steers and lists any run.

    `address` is that of `PostgresBackplane`. `table` is made if it does not exist, with more whose names begin with its
    name. If the role may not make tables, make them before (`make_tables`). Of each run `entries` are kept. A
    server renews its lease of `lease` seconds while it lives; when it lapses, others take its runs over.

    A server has three connections: for entries, for everything else, and to LISTEN. `poll` replaces the last one: it is
    the seconds between two looks for news while somebody waits for them, for a pool in transaction mode (PgBouncer).

    Raises:
        ConfigurationError: lists every value that is not valid.
    """

    def __init__(
        self,
        address: str,
        *,
        table: str = "hubline_runs",
        poll: float | None = None,
        entries: int = 4_096,
        lease: float = 10.0,
        clock: Clock | None = None,
    ) -> None:
        mistakes = Mistakes("PostgresRunLog")
        check_settings(mistakes, table, poll)
        mistakes.whole("entries", entries, above=0)
        mistakes.number("lease", lease, above=0)
        mistakes.has("clock", clock, "a clock", "now", "sleep", optional=True)
        mistakes.tell()
        self._connections, self._table, self._poll = Connections(address), table, poll
        self._clock_given = clock or MonotonicClock()
        super().__init__(self._database_for, entries=entries, lease=lease, clock=clock)

    async def make_tables(self) -> None:
        """Make the tables if they are not there, as the first use does. Raises BackplaneError and psycopg's errors."""
        await make_tables(self._connections, self._table, RUNS)

    def _database_for(self, events: Events, node: str) -> PostgresDatabase:
        where, clock = (self._connections, self._table), self._clock_given
        return PostgresDatabase(*where, RUNS, events, node, poll=self._poll, clock=clock)
