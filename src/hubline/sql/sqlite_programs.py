"""A file of SQLite for whoever only runs programs on it, in a thread: the event loop never waits for the disk."""

import asyncio
import os
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from hubline._mistakes import Mistakes
from hubline.sql.programs import Program, T
from hubline.sql.sqlite import File, dialect


class SQLitePrograms:
    """`Programs` on the file `path`, which is opened when it is first used. `name` is what errors call it.

    Raises:
        ConfigurationError: `mistakes`, and the path if it is none.
    """

    def __init__(
        self,
        mistakes: Mistakes,
        path: str | os.PathLike[str],
        name: str,
        tables: Sequence[str],
        create: Sequence[str],
        known: int,
        *,
        lasting: bool = True,
    ) -> None:
        check_path(mistakes, path)
        mistakes.tell()
        self._path, self._name, self._lasting = os.fspath(path), name, lasting
        self._dialect, self._create, self._known = dialect(f"hubline_{tables[0]}", tables), create, known
        self._thread: ThreadPoolExecutor | None = None
        self._file: File | None = None
        """Used by the thread alone."""

    async def run(self, program: Program[T]) -> T:
        """Run a program. Raises BackplaneError."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, f"hubline: {self._name} in SQLite")
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._run, program)

    async def close(self) -> None:
        """Close the file when what waits for it is done."""
        thread, self._thread = self._thread, None
        if thread is not None:
            await asyncio.get_running_loop().run_in_executor(thread, self._close)
            thread.shutdown(wait=False)

    # The rest is called by the thread.

    def _run(self, program: Program[T]) -> T:
        if self._file is None:
            self._file = File(self._path, self._name, self._dialect, self._create, self._known, lasting=self._lasting)
        try:
            return self._file.run(program)
        except sqlite3.Error as error:
            raise self._file.failed(error) from error

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()


def check_path(mistakes: Mistakes, path: Any) -> None:
    """A file that several processes open."""
    right = isinstance(path, str | os.PathLike) and os.fspath(path) not in ("", b"", ":memory:")
    mistakes.fits("path", path, right, "the path of a file")
