"""Quotas of all servers, in PostgreSQL. Needs the extra `postgres`."""

from hubline._clock import Clock
from hubline._mistakes import Mistakes
from hubline.limits.sql_usage import CREATE, SCHEMA, TABLES, SqlUsage
from hubline.sql.postgres_programs import PostgresPrograms

__all__ = ["PostgresUsage"]


class PostgresUsage(SqlUsage):
    """A `UsageStore` and `QuestionsAtOnce` of all servers: `Quotas(usage, questions=usage)`.

    `address` is that of `hubline.backplanes.postgres.PostgresBackplane`. `table` is made if it does not exist, with two
    more whose names begin with its name. If the role may not make tables, make them before (`make_tables`). There is
    one connection, which may go through PgBouncer.

    Days are kept for three days after their last use. A question whose server has gone counts for `lease` seconds more.
    When PostgreSQL does not answer, calls raise BackplaneError; then it is unknown whether tokens were added.

    Raises:
        ConfigurationError: lists every value that is not valid.
    """

    _programs: PostgresPrograms

    def __init__(
        self, address: str, *, table: str = "hubline_usage", lease: float = 10.0, clock: Clock | None = None
    ) -> None:
        mistakes = Mistakes("PostgresUsage")
        super().__init__(mistakes, lease=lease, clock=clock)
        self._programs = PostgresPrograms(mistakes, address, "quotas", table, TABLES, CREATE, SCHEMA, clock=self._clock)

    async def make_tables(self) -> None:
        """Make the tables if they are not there, as the first use does. Raises BackplaneError and psycopg's errors."""
        await self._programs.make_tables()
