"""A connection to a file of SQLite. One thread makes every call of it."""

import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from hubline.errors import BackplaneError
from hubline.sql.programs import NEWER, Ask, Dialect, Many, Program, T, Woken, prepared

OLDEST = (3, 35, 0)
"""The first SQLite with RETURNING."""

PATIENCE = 5.0
"""Seconds for other processes to finish a transaction. Ours: theirs take well below a millisecond."""

FIRST_PAUSE, LONGEST_PAUSE = 0.0001, 0.005
"""Seconds between attempts to begin a transaction. Ours: SQLite itself waits for a millisecond at least."""


def dialect(table: str, tables: Sequence[str]) -> Dialect:
    """SQLite's, with tables whose names begin so."""
    return Dialect(table, tables, "?", "hubline_now()", "", "INTEGER PRIMARY KEY AUTOINCREMENT")


class File:
    """The file `path`, which errors call `name` (as "the log of runs"). Without `lasting`, nothing waits for the disk.

    Raises:
        BackplaneError: it cannot be opened, or its tables, those of `create`, are of a version newer than `known`.
    """

    def __init__(
        self,
        path: str,
        name: str,
        dialect: Dialect,
        create: Sequence[str],
        known: int,
        *,
        lasting: bool,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._where, self._dialect = f"{name} in {path}", dialect
        self.woken: set[str] = set()
        """The servers that the present transaction has put something into the mail of."""
        if sqlite3.sqlite_version_info < OLDEST:
            raise BackplaneError(f"SQLite {sqlite3.sqlite_version} is too old for {name}: 3.35 is needed")
        try:
            self._connection = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None, cached_statements=256)
            self._open(create, known, lasting, now)
        except BackplaneError:
            raise
        except Exception as error:
            raise self.failed(error) from error

    def _open(self, create: Sequence[str], known: int, lasting: bool, now: Callable[[], float]) -> None:
        connection = self._connection
        try:
            connection.create_function("hubline_now", 0, lambda: int(now() * 1000))
            self._when_free("PRAGMA journal_mode = WAL")  # for which SQLite itself may not wait
            connection.execute(f"PRAGMA synchronous = {'NORMAL' if lasting else 'OFF'}")
            self.begin()
            found = self.drive(prepared(create, known))
            self.commit()
            if found > known:
                newer = NEWER.format(found=found, known=known)
                raise BackplaneError(f"{self._where} cannot be used: {newer}")
            connection.execute("PRAGMA busy_timeout = 0")  # from here on `begin` waits
        except BaseException:
            connection.close()
            raise

    def version(self) -> int:
        """Changes when another process has changed something."""
        try:
            found: int = self._connection.execute("PRAGMA data_version").fetchone()[0]
            return found
        except sqlite3.Error:  # the next transaction tells
            return -1

    def begin(self, *, reads: bool = False) -> None:
        """Begin a transaction, of which `reads` says that it changes nothing. Raises sqlite3.Error, as the next two."""
        self.woken.clear()
        if reads:  # only the first read begins it
            self._when_free("BEGIN", "SELECT 1 FROM sqlite_schema LIMIT 1")
        else:
            self._when_free("BEGIN IMMEDIATE")

    def drive(self, program: Program[T]) -> T:
        """Run a program in the transaction."""
        answer: Any = None
        try:
            while True:
                step = program.send(answer)
                answer = None
                if isinstance(step, Ask):
                    answer = self._connection.execute(self._dialect.sql(step.text), step.parameters).fetchall()
                elif isinstance(step, Many):
                    self._connection.executemany(self._dialect.sql(step.text), step.rows)
                elif isinstance(step, Woken):
                    self.woken.update(step.nodes)
        except StopIteration as done:
            found: T = done.value
            return found

    def commit(self) -> None:
        """End the transaction."""
        self._connection.execute("COMMIT")

    def roll_back(self) -> None:
        """Undo the transaction, if there is one. Raises nothing."""
        self.woken.clear()
        with suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def run(self, program: Program[T]) -> T:
        """Run a program in a transaction of its own."""
        try:
            self.begin()
            found = self.drive(program)
            self.commit()
        except BaseException:
            self.roll_back()
            raise
        return found

    def close(self) -> None:
        """Close it. Raises nothing."""
        with suppress(sqlite3.Error):
            self._connection.close()

    def failed(self, error: Exception) -> BackplaneError:
        """What callers are told of an error of SQLite."""
        made = BackplaneError(f"{self._where} cannot be used at present: {error}")
        made.__cause__ = error
        return made

    def _when_free(self, *statements: str) -> None:
        """Execute these, all of them again while another connection has locked the file."""
        until, pause = time.monotonic() + PATIENCE, FIRST_PAUSE
        while True:
            try:
                for statement in statements:
                    self._connection.execute(statement).fetchall()
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                    raise
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
            time.sleep(pause)
            pause = min(LONGEST_PAUSE, pause * 1.5)
