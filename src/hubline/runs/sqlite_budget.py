"""A budget in a file of SQLite, for several processes of one machine. Needs nothing but Python."""

import os

from hubline._clock import Clock
from hubline._mistakes import Mistakes
from hubline.runs.sql_budget import CREATE, SCHEMA, TABLES, SqlBudget
from hubline.sql.sqlite_programs import SQLitePrograms

__all__ = ["SQLiteBudget"]


class SQLiteBudget(SqlBudget):
    """A `Budget` of all processes that use the file `path`: `limit` tokens for each account in each `window` seconds.

    The file is made if it is not there; it may be that of a `SQLiteRunLog` or of other budgets, and must be on a local
    disk. A window begins with the first use of an account. Reservations of a process end `lease` seconds after its last
    report. Budgets with another `name` are counted separately. With `temporary` nothing waits for the disk, and the
    file may be damaged when the machine loses its power.

    Raises:
        ConfigurationError: lists every value that is not valid.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        limit: int,
        *,
        name: str = "tokens",
        window: float = 86_400.0,
        lease: float = 10.0,
        temporary: bool = False,
        clock: Clock | None = None,
    ) -> None:
        mistakes = Mistakes("SQLiteBudget")
        mistakes.flag("temporary", temporary)
        super().__init__(mistakes, limit, name=name, window=window, lease=lease, clock=clock)
        self._programs = SQLitePrograms(mistakes, path, "budgets", TABLES, CREATE, SCHEMA, lasting=not temporary)
