"""Rooms in PostgreSQL, so that several servers have them. Needs the extra `postgres`."""

from hubline._clock import Clock, MonotonicClock
from hubline._mistakes import Mistakes
from hubline.backplanes.postgres_connections import Connections, check_settings
from hubline.rooms.shared_store import check
from hubline.rooms.sql_store import SqlRoomStore, schema
from hubline.runs.postgres_database import PostgresDatabase, make_tables
from hubline.runs.sql_database import Events

__all__ = ["PostgresRoomStore"]


class PostgresRoomStore(SqlRoomStore):
    """A `RoomStore` in PostgreSQL (14 or newer), for several servers.

    `address` is that of `PostgresBackplane`. `table` is made if it does not exist, with more whose names begin with its
    name. If the role may not make tables, make them before (`make_tables`). The newest `history` messages of each room
    are kept, none older than `keep` seconds. A server renews its lease of `lease` seconds while it lives; when it
    lapses, the others remove its devices. After `keep` seconds without a message and a member a room is forgotten.
    An object is for one `Rooms`.

    A server has three connections: for messages, for everything else, and to LISTEN. `poll` replaces the last one: it
    is the seconds between two looks for news while it follows a room, for a pool in transaction mode (PgBouncer).

    Raises:
        ConfigurationError: lists every value that is not valid.
    """

    def __init__(
        self,
        address: str,
        *,
        table: str = "hubline_rooms",
        poll: float | None = None,
        history: int = 1_000,
        keep: float = 86_400.0,
        lease: float = 10.0,
        clock: Clock | None = None,
    ) -> None:
        mistakes = Mistakes("PostgresRoomStore")
        check_settings(mistakes, table, poll)
        check(mistakes, history=history, keep=keep, lease=lease, clock=clock)
        mistakes.tell()
        self._connections, self._table, self._poll = Connections(address), table, poll
        self._schema, self._clock_given = schema(round(keep * 1000)), clock or MonotonicClock()
        super().__init__(self._database_for, history=history, keep=round(keep * 1000), lease=lease, clock=clock)

    async def make_tables(self) -> None:
        """Make the tables if they are not there, as the first use does. Raises BackplaneError and psycopg's errors."""
        await make_tables(self._connections, self._table, self._schema)

    def _database_for(self, events: Events, node: str) -> PostgresDatabase:
        where, clock = (self._connections, self._table), self._clock_given
        return PostgresDatabase(*where, self._schema, events, node, poll=self._poll, clock=clock)
