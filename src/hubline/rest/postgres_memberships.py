"""Groups of users in PostgreSQL, for several servers. Needs the extra `postgres`."""

from hubline._clock import Clock
from hubline._mistakes import Mistakes
from hubline.rest.sql_memberships import CREATE, SCHEMA, TABLES, SqlMemberships
from hubline.sql.postgres_programs import PostgresPrograms

__all__ = ["PostgresMemberships"]


class PostgresMemberships(SqlMemberships):
    """`Memberships` of all servers: `RestApi(…, memberships=PostgresMemberships("postgresql://…"))`.

    `address` is that of `hubline.backplanes.postgres.PostgresBackplane`. `table` is made if it does not exist, and
    `table_version`. If the role may not make tables, make them before (`make_tables`). There is one connection, which
    may go through PgBouncer. When PostgreSQL does not answer, calls raise BackplaneError.

    Raises:
        ConfigurationError: lists every value that is not valid.
    """

    _programs: PostgresPrograms

    def __init__(self, address: str, *, table: str = "hubline_memberships", clock: Clock | None = None) -> None:
        mistakes = Mistakes("PostgresMemberships")
        mistakes.has("clock", clock, "a clock", "now", "sleep", optional=True)
        self._programs = PostgresPrograms(mistakes, address, "memberships", table, TABLES, CREATE, SCHEMA, clock=clock)

    async def make_tables(self) -> None:
        """Make the tables if they are not there, as the first use does. Raises BackplaneError and psycopg's errors."""
        await self._programs.make_tables()
