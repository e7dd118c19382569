"""Groups of users in a file of SQLite, for the processes of one machine. Needs nothing but Python."""

import os

from hubline._mistakes import Mistakes
from hubline.rest.sql_memberships import CREATE, SCHEMA, TABLES, SqlMemberships
from hubline.sql.sqlite_programs import SQLitePrograms

__all__ = ["SQLiteMemberships"]


class SQLiteMemberships(SqlMemberships):
    """`Memberships` of all processes that use a file: `RestApi(…, memberships=SQLiteMemberships("groups.sqlite"))`.

    The file `path` is made if it is not there; it may be that of a `SQLiteRunLog`, and must be on a local disk. When it
    cannot be used, calls raise BackplaneError.

    Raises:
        ConfigurationError: the path is not valid.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        mistakes = Mistakes("SQLiteMemberships")
        self._programs = SQLitePrograms(mistakes, path, "memberships", TABLES, CREATE, SCHEMA)
