"""The table of the PostgreSQL backplane, and every statement that is sent to it.

Messages are rows with rising positions. The table has three partitions, each for one minute in three: a minute after
the last row was written to a partition it is emptied by TRUNCATE, which leaves nothing to vacuum.
"""

from dataclasses import dataclass
from typing import LiteralString

from psycopg import sql

PERIOD = 60
"""Seconds for which one partition is written to. A row is kept for one to two of them."""

PARTS = 3

WINDOW = 100_000
"""Positions before the last in which a starting server finds those that are missing, because their transactions may
still run. Ours: all of a minute with 1,600 messages a second; the query takes 0.2 seconds."""

# `written` tells a message from another that has its position: a server that was promoted without the last messages of
# its predecessor gives their positions again.


@dataclass(frozen=True, slots=True)
class Statements:
    """The statements, for one name of the table."""

    exists: sql.Composed
    """Whether the table exists, with its partitions."""
    create: sql.Composed
    """Make what is missing. Servers that do it at the same time wait for each other."""
    send: sql.Composed
    """Add messages and NOTIFY. Takes channels and payloads, as two arrays."""
    begin: sql.Composed
    """The last position, and the first and the last of missing ones in a row before it, for each row of them."""
    last: sql.Composed
    """The last position."""
    read: sql.Composed
    """The messages after a position and at some before it, as `Row`.

    Channel and payload are NULL for channels that this server does not want, and for a position that is only looked
    for. Takes the wanted channels (NULL: all), the position, the earlier positions, that one (`mark`), the maximum
    number of rows, and the largest payload that comes along.
    """
    read_rows: sql.Composed
    """The same, and also the messages at rows of missing positions: between each of `firsts` and that of `lasts`."""
    payloads: sql.Composed
    """The payloads at some positions, as `position, payload`."""
    written: sql.Composed
    """When the message at a position was written."""
    horizon: sql.Composed
    """The number of the oldest running transaction, and a new number."""
    current: sql.Composed
    """The number of the partition that is written to."""
    bounded: sql.Composed
    """PostgreSQL ends this transaction if nothing more comes: a frozen server would keep its lock, and others wait."""
    channel: str
    """The channel of LISTEN and NOTIFY."""
    table: str

    def empty(self, part: int) -> sql.Composed:
        """Whether a partition has rows."""
        return sql.SQL("SELECT NOT EXISTS (SELECT FROM {})").format(sql.Identifier(f"{self.table}_{part}"))

    def unwritten(self, part: int) -> sql.Composed:
        """Fails at once if a transaction has written to a partition; who reads does not matter."""
        return sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE NOWAIT").format(
            sql.Identifier(f"{self.table}_{part}")
        )

    def truncate(self, part: int) -> sql.Composed:
        return sql.SQL("TRUNCATE {}").format(sql.Identifier(f"{self.table}_{part}"))


def statements(table: str) -> Statements:
    """Those for a table of this name."""
    names: dict[str, sql.Composable] = {
        "table": sql.Identifier(table),
        "positions": sql.Identifier(f"{table}_positions"),
        "by_position": sql.Identifier(f"{table}_by_position"),
        "regclass": sql.Literal(f'"{table}_positions"'),
        "channel": sql.Literal(table),
        "part": sql.SQL("(floor(extract(epoch FROM clock_timestamp()) / {})::bigint % {})::smallint").format(
            sql.Literal(PERIOD), sql.Literal(PARTS)
        ),
        "window": sql.Literal(WINDOW),
    }

    def made(text: LiteralString) -> sql.Composed:
        return sql.SQL(text).format(**names)

    parts = sql.SQL(";\n").join(
        sql.SQL("CREATE TABLE IF NOT EXISTS {} PARTITION OF {} FOR VALUES IN ({})").format(
            sql.Identifier(f"{table}_{part}"), names["table"], sql.Literal(part)
        )
        for part in range(PARTS)
    )
    present = [
        sql.SQL("to_regclass({})").format(sql.Literal(f'"{each}"'))
        for each in (table, *(f"{table}_{part}" for part in range(PARTS)))
    ]
    return Statements(
        exists=sql.SQL("SELECT num_nulls({}) = 0").format(sql.SQL(", ").join(present)),
        create=made(_CREATE) + parts + made(_INDEX),
        send=made(_SEND),
        begin=made(_BEGIN),
        last=made("SELECT last_value - (NOT is_called)::int FROM {positions}"),
        read=made(_READ_BEGIN + _READ_END),
        read_rows=made(_READ_BEGIN + _READ_ROWS + _READ_END),
        payloads=made("SELECT position, payload FROM {table} WHERE position = ANY(%b)"),
        written=made("SELECT written FROM {table} WHERE position = %s"),
        horizon=made(_HORIZON),
        current=made("SELECT {part}"),
        bounded=made("SET LOCAL idle_in_transaction_session_timeout = '5s'"),
        channel=table,
        table=table,
    )


_CREATE = """
SELECT pg_advisory_xact_lock(hashtext({channel}));
CREATE SEQUENCE IF NOT EXISTS {positions};
CREATE TABLE IF NOT EXISTS {table} (
    position bigint NOT NULL DEFAULT nextval({regclass}),
    part smallint NOT NULL DEFAULT {part},
    written bigint NOT NULL DEFAULT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint,
    channel bytea NOT NULL,
    payload bytea NOT NULL
) PARTITION BY LIST (part);
ALTER TABLE {table} ALTER COLUMN payload SET STORAGE EXTERNAL;
"""
_INDEX = ";\nCREATE INDEX IF NOT EXISTS {by_position} ON {table} (position)"
# A transaction gets its number (`pg_current_xact_id`) before it takes positions, so that `horizon` tells when all have
# ended that may have taken one.
_SEND = """
WITH sent AS (
    INSERT INTO {table} (channel, payload)
    SELECT message.channel, message.payload
    FROM pg_current_xact_id(), unnest(%b::bytea[], %b::bytea[]) AS message (channel, payload)
    RETURNING position
)
SELECT pg_notify({channel}, ''), max(position) FROM sent
"""
# the last row of `known` is the next position, which ends what is missing before it
_BEGIN = """
SELECT last_value - (NOT is_called)::int, ARRAY(
    SELECT ARRAY[before + 1, position - 1] FROM (
        SELECT position, lag(position, 1, greatest(last_value - {window}, 0)) OVER (ORDER BY position) AS before FROM (
            SELECT position FROM {table} WHERE position > last_value - {window}
            UNION ALL SELECT last_value + is_called::int
        ) AS known
    ) AS pairs WHERE position - before > 1 ORDER BY position
) FROM {positions}
"""
# Each way to find rows uses the index: a join of all missing positions takes 20 times as long as `ANY`, which would
# need each of a million. The join is made only where it is needed, because planning it takes half a millisecond.
_READ_BEGIN = """
SELECT position, written, CASE WHEN wanted THEN channel END,
       CASE WHEN wanted AND octet_length(payload) <= %(small)s THEN payload END,
       CASE WHEN wanted THEN octet_length(payload) END
FROM (
    SELECT *,
           (%(channels)b::bytea[] IS NULL OR channel = ANY(%(channels)b)) AND position <> %(mark)s AS wanted
    FROM (
        SELECT position, written, channel, payload FROM {table} WHERE position > %(after)s
        UNION ALL
        SELECT position, written, channel, payload FROM {table} WHERE position = ANY(%(missing)b)
"""
_READ_ROWS = """
        UNION ALL
        SELECT late.* FROM unnest(%(firsts)b::bigint[], %(lasts)b::bigint[]) AS row (first, last) CROSS JOIN LATERAL (
            SELECT position, written, channel, payload FROM {table}
            WHERE position BETWEEN row.first AND row.last ORDER BY position LIMIT %(most)s
        ) AS late
"""
_READ_END = """
    ) AS looked_for
) AS found
ORDER BY position LIMIT %(most)s
"""
_HORIZON = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint, pg_current_xact_id()::text::bigint"
# not `pg_snapshot_xmax`, which is one past the newest that has ended: newer ones may run

Row = tuple[int, int, bytes | None, bytes | None, int | None]
"""One row of `read`: position, when it was written (microseconds since 1970), channel, payload and its bytes."""
