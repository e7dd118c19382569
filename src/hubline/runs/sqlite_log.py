"""Runs in a file of SQLite, so that several processes of one machine have them. Needs nothing but Python."""

import os
from typing import Any

from hubline._clock import Clock
from hubline._mistakes import Mistakes
from hubline.runs.sql_database import Events
from hubline.runs.sql_log import RUNS, SqlRunLog
from hubline.runs.sqlite_database import SQLiteDatabase
from hubline.runs.sqlite_wakes import wakes_of

__all__ = ["SQLiteRunLog"]


class SQLiteRunLog(SqlRunLog):
    """A `RunLog` in the file `path`, for the processes of one machine: the workers of `hubline run --workers`.

    Any of them attaches to, stops, answers, steers and lists any run. Of each run `entries` are kept. A process renews
    its lease of `lease` seconds, also while its event loop is blocked; when it lapses, others take its runs over.

    The file is made if it is not there, with two more whose names begin with its name. It must be on a local disk:
    SQLite's locks do not work over a network. Workers wake each other through their hub; other processes look for
    changes every 20 ms while somebody waits for them, and every 250 ms otherwise. With `temporary` nothing waits for
    the disk, and the file may be damaged when the machine loses its power.

    Raises:
        ConfigurationError: lists every value that is not valid.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        entries: int = 4_096,
        lease: float = 5.0,
        temporary: bool = False,
        clock: Clock | None = None,
    ) -> None:
        mistakes = Mistakes("SQLiteRunLog")
        given: Any = path
        right = isinstance(given, str | os.PathLike) and os.fspath(given) not in ("", b"", ":memory:")
        mistakes.fits("path", path, right, "the path of a file")
        mistakes.whole("entries", entries, above=0)
        mistakes.number("lease", lease, above=0)
        mistakes.flag("temporary", temporary)
        mistakes.has("clock", clock, "a clock", "now", "sleep", optional=True)
        mistakes.tell()
        self._path, self._temporary = os.fspath(path), temporary
        super().__init__(self._database_at, entries=entries, lease=lease, clock=clock)

    def _database_at(self, events: Events, node: str) -> SQLiteDatabase:
        lasting, wakes = not self._temporary, wakes_of(self._path)
        return SQLiteDatabase(self._path, RUNS, events, node, lease=self._lease, lasting=lasting, wakes=wakes)
