"""A file of SQLite, used by a thread of its own, so that the event loop never waits for the disk or another process."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from hubline.errors import BackplaneError
from hubline.runs.sql_database import Events, Schema, is_program
from hubline.runs.sql_nodes import extend_lease, read_mail
from hubline.runs.sqlite_wakes import Wakes
from hubline.sql.programs import Program, T
from hubline.sql.sqlite import File, dialect

OFTEN, SELDOM = 0.02, 0.25
"""Seconds between looks for the changes of other processes: while somebody waits for news here, and otherwise. Ours."""

RENEWAL = 0.3
"""The part of a lease after which it is renewed, as every log does."""


@dataclass(slots=True, eq=False)
class Job:
    """One program, or one append, that waits for the thread."""

    work: Any
    """`None` ends the thread."""
    reads: bool
    answer: "asyncio.Future[Any]"
    result: Any = None
    error: Exception | None = None

    def tell(self) -> None:
        if not self.answer.done():
            if self.error is not None:
                self.answer.set_exception(self.error)
            else:
                self.answer.set_result(self.result)


class SQLiteDatabase:
    """A `Database` in the file `path`, with the tables of `schema`, for the server `node`.

    `wakes` wakes others, where there is something for it. The thread renews the server's lease of `lease` seconds too,
    so that a function that blocks the event loop does not lose it. `lasting`: the file is intact after the machine has
    lost its power.
    """

    def __init__(
        self,
        path: str,
        schema: Schema,
        events: Events,
        node: str,
        *,
        lease: float,
        lasting: bool,
        wakes: Wakes | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._path, self._schema, self._events, self._node = path, schema, events, node
        self._lasting, self._now = lasting, now
        self._wakes, self._lease, self._renewed = wakes, lease, 0.0
        self._jobs: SimpleQueue[Job] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop
        self._pause = SELDOM
        self._read = 0
        """The number of the last message that was read."""

    async def start(self) -> None:
        """Open the file. Raises BackplaneError."""
        self._loop = asyncio.get_running_loop()
        opened = self._loop.create_future()
        self._thread = threading.Thread(
            target=self._serve,
            args=[Job(None, False, opened)],
            name=f"hubline: {self._schema.name} in SQLite",
            daemon=True,
        )
        self._thread.start()
        try:
            await opened
        except BackplaneError:
            self._thread = None
            raise
        if self._wakes is not None:
            await self._wakes.start(self._node, self._events.news)

    async def run(self, program: Program[T], *, reads: bool = False) -> T:
        """Run a program. Raises BackplaneError."""
        found: T = await self._do(program, reads)
        return found

    async def append(self, request: Any) -> Any:
        """Add entries or messages. Raises BackplaneError."""
        return await self._do(request, False)

    async def mail(self) -> list[tuple[str, str]]:
        """Read what has come. It is removed by `clean`, since changing something for each message costs more."""
        rows = await self.run(read_mail(self._node, self._read), reads=True)
        if rows:
            self._read = rows[-1][0]
        return [(channel, body) for _, channel, body in rows]

    async def clean(self) -> None:
        """Remove what has expired. Raises BackplaneError."""
        await self.run(self._schema.clean(self._node, self._read))

    def hurry(self, does: bool) -> None:
        """Look for changes of other processes 50 times a second, or 4 times."""
        self._pause = OFTEN if does else SELDOM

    async def close(self) -> None:
        """Close the file when all that waits is done."""
        if self._wakes is not None:
            await self._wakes.close()
        thread, self._thread = self._thread, None
        if thread is not None:
            closed = self._loop.create_future()
            self._jobs.put(Job(None, False, closed))
            await closed

    def forget(self) -> None:
        """Have the thread end."""
        if self._thread is not None:
            self._thread = None
            self._jobs.put(Job(None, False, self._loop.create_future()))

    async def _do(self, work: Any, reads: bool) -> Any:
        if self._thread is None:
            raise BackplaneError(f"{self._schema.name} in {self._path} is closed")
        job = Job(work, reads, self._loop.create_future())
        self._jobs.put(job)
        return await job.answer

    # The rest is called by the thread.

    def _serve(self, opening: Job) -> None:
        try:
            file = self._opened()
        except Exception as error:
            opening.error = error
            self._deliver([opening])
            return
        self._deliver([opening])
        version = file.version()
        while True:
            self._renew_lease(file)
            try:
                jobs = [self._jobs.get(timeout=self._pause)]
            except Empty:
                version, before = file.version(), version
                if version != before:
                    self._call(self._events.news)
                continue
            with suppress(Empty):
                while jobs[-1].work is not None:
                    jobs.append(self._jobs.get_nowait())
            last = jobs.pop() if jobs[-1].work is None else None
            if jobs:
                self._together(file, jobs)
            if last is not None:
                file.close()
                self._deliver([last])
                return

    def _opened(self) -> File:
        kept = self._schema
        spoken = dialect(f"hubline_{kept.tables[0]}", kept.tables)
        return File(self._path, kept.name, spoken, kept.create, kept.known, lasting=self._lasting, now=self._now)

    def _renew_lease(self, file: File) -> None:
        """Renew the lease if it has not lapsed. Otherwise the server must know that it had."""
        if time.monotonic() - self._renewed < self._lease * RENEWAL:
            return
        self._renewed = time.monotonic()
        with suppress(sqlite3.Error):  # in the next round
            file.run(extend_lease(self._node, round(self._lease * 1000)))

    def _together(self, file: File, jobs: list[Job]) -> None:
        """Do all of them in one transaction."""
        try:
            file.begin(reads=all(job.reads for job in jobs))
            appends = [job for job in jobs if not is_program(job.work)]
            if appends:
                found = file.drive(self._schema.append([job.work for job in appends]))
                for job, result in zip(appends, found, strict=True):
                    job.result = result
            for job in jobs:
                if is_program(job.work):
                    job.result = file.drive(job.work)
            file.commit()
        except Exception as error:
            file.roll_back()
            for job in jobs:
                job.error = file.failed(error)
        self._deliver(jobs, file.woken)

    def _deliver(self, jobs: Sequence[Job], woken: Collection[str] = ()) -> None:
        mine, others = self._node in woken, {node for node in woken if node != self._node}

        def deliver() -> None:
            for job in jobs:
                job.tell()
            if mine:
                self._events.news()
            if self._wakes is not None and others:
                self._wakes.wake(others)

        self._call(deliver)

    def _call(self, function: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(function)
