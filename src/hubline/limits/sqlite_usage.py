"""Quotas in a file of SQLite, for several processes of one machine. Needs nothing but Python."""

import os

from hubline._clock import Clock
from hubline._mistakes import Mistakes
from hubline.limits.sql_usage import CREATE, SCHEMA, TABLES, SqlUsage
from hubline.sql.sqlite_programs import SQLitePrograms

__all__ = ["SQLiteUsage"]


class SQLiteUsage(SqlUsage):
    """A `UsageStore` and `QuestionsAtOnce` of all processes that use a file: `Quotas(usage, questions=usage)`.

    The file `path` is made if it is not there; it may be that of a `SQLiteRunLog` or `SQLiteBudget`, and must be on a
    local disk. Days are kept for three days after their last use. A question whose process has gone counts for `lease`
    seconds more. When the file cannot be used, calls raise BackplaneError.

    Raises:
        ConfigurationError: the path or the lease is not valid.
    """

    def __init__(self, path: str | os.PathLike[str], *, lease: float = 10.0, clock: Clock | None = None) -> None:
        mistakes = Mistakes("SQLiteUsage")
        super().__init__(mistakes, lease=lease, clock=clock)
        self._programs = SQLitePrograms(mistakes, path, "quotas", TABLES, CREATE, SCHEMA)
