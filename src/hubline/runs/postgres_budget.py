"""A budget in PostgreSQL, for several servers. Needs the extra `postgres`."""

from hubline._clock import Clock
from hubline._mistakes import Mistakes
from hubline.runs.sql_budget import CREATE, SCHEMA, TABLES, SqlBudget
from hubline.sql.postgres_programs import PostgresPrograms

__all__ = ["PostgresBudget"]


class PostgresBudget(SqlBudget):
    """A `Budget` of all servers, in PostgreSQL (14 or newer): `limit` tokens for each account in `window` seconds.

    `address` is that of `PostgresBackplane`. `table` is made if it does not exist, and `table_version`. If the role may
    not make tables, make them before (`make_tables`). There is one connection, which may go through PgBouncer.

    A window begins with the first use of an account. Reservations of a server end `lease` seconds after its last
    report. While PostgreSQL is away nothing can be reserved, so no run starts; running ones use the tokens that were
    left, which are charged when it is back. Budgets with another `name` are counted separately.

    Raises:
        ConfigurationError: lists every value that is not valid.
    """

    _programs: PostgresPrograms

    def __init__(
        self,
        address: str,
        limit: int,
        *,
        name: str = "tokens",
        table: str = "hubline_budgets",
        window: float = 86_400.0,
        lease: float = 10.0,
        clock: Clock | None = None,
    ) -> None:
        mistakes = Mistakes("PostgresBudget")
        super().__init__(mistakes, limit, name=name, window=window, lease=lease, clock=clock)
        self._programs = PostgresPrograms(
            mistakes, address, "budgets", table, TABLES, CREATE, SCHEMA, clock=self._clock
        )

    async def make_tables(self) -> None:
        """Make the tables if they are not there, as the first use does. Raises BackplaneError and psycopg's errors."""
        await self._programs.make_tables()
