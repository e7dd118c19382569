"""Programs on PostgreSQL, on a connection that comes back by itself."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from zlib import crc32

from psycopg import AsyncConnection, AsyncPipeline, OperationalError
from psycopg.errors import LockNotAvailable, QueryCanceled, UndefinedTable

from hubline._clock import Clock
from hubline.backplanes.lines import PATIENCE, Broker, Line
from hubline.backplanes.postgres_connections import Connections, asked, patiently, why
from hubline.errors import BackplaneError
from hubline.sql.programs import NEWER, Ask, Dialect, Lock, Many, Program, T, Topics, Woken, prepared, version

NOTIFIED = 7_000
"""Bytes of a NOTIFY at most; above it names nobody, and every server looks. PostgreSQL's limit is 8,000."""

LOST = (BackplaneError, OperationalError, UndefinedTable)
"""Errors that a connection does not outlive, except where PostgreSQL has only given a statement up."""

BOUNDED = "SELECT set_config('idle_in_transaction_session_timeout', %s, true), set_config('lock_timeout', %s, true)"
"""PostgreSQL ends this transaction when it hears nothing, or waits for a lock, for so many ms. Otherwise a server that
is frozen, or whose network is gone, would keep its locks, and all others would wait for them."""

SLOTS = 128
"""Locks that all topics share. Ours: PostgreSQL has room for thousands at a time, and a transaction may take all."""

WorkT = TypeVar("WorkT")


def dialect(table: str, tables: Sequence[str]) -> Dialect:
    """PostgreSQL's, with tables whose names begin so."""
    return Dialect(
        table,
        tables,
        "%s",
        "(extract(epoch FROM clock_timestamp()) * 1000)::bigint",
        " FOR UPDATE",
        "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    )


class Session:
    """Runs programs on one connection. `notify` is the channel of NOTIFY; `None`: nobody listens."""

    def __init__(self, connection: AsyncConnection[Any], dialect: Dialect, notify: str | None) -> None:
        self._connection, self._dialect, self._notify = connection, dialect, notify

    async def run(self, program: Program[T], *, reads: bool = False) -> T:
        """Run a program in a transaction. Raises psycopg's errors."""
        connection, failed = self._connection, list[Exception]()
        try:
            async with connection.pipeline() as pipeline:  # so that it waits only for rows, and at the end
                try:
                    found = await self._transact(program, pipeline, reads=reads)
                except Exception as error:  # not raised here: psycopg would print what the end of the pipeline adds
                    failed.append(error)
            if not failed:
                return found
        except Exception as error:
            failed.append(error)
        except BaseException:
            with suppress(Exception):
                await connection.execute("ROLLBACK")
            raise
        with suppress(Exception):
            await connection.execute("ROLLBACK")
        raise failed.pop(0)  # the reason; the end of the pipeline only says that the rest is aborted

    async def _transact(self, program: Program[T], pipeline: AsyncPipeline, *, reads: bool) -> T:
        level = "REPEATABLE READ READ ONLY" if reads else "READ COMMITTED"
        await self._connection.execute(f"BEGIN ISOLATION LEVEL {level}".encode())
        if not reads:
            limit = str(round(PATIENCE * 1000))
            await self._connection.execute(BOUNDED, (limit, limit))
        found = await self._drive(program, pipeline)
        await self._connection.execute("COMMIT")
        return found

    async def _drive(self, program: Program[T], pipeline: AsyncPipeline) -> T:
        answer: Any = None
        woken: set[str] = set()
        try:
            while True:
                step = program.send(answer)
                answer = None
                match step:
                    case Ask(text, parameters):
                        cursor = await self._connection.execute(self._dialect.sql(text).encode(), parameters)
                        if text.startswith("SELECT") or "RETURNING" in text:
                            await pipeline.sync()  # before it PostgreSQL does not count the time in which nothing comes
                            answer = await cursor.fetchall()
                        else:
                            answer = []
                    case Many(text, rows):
                        await self._connection.cursor().executemany(self._dialect.sql(text).encode(), rows)
                    case Lock(name):
                        lock = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"
                        await self._connection.execute(lock, (f"{self._dialect.table} {name}",))
                    case Topics(names, subscribes):
                        lock = f"pg_advisory_xact_lock{'' if subscribes else '_shared'}(hashtext(%s), slot)"
                        slots = sorted({crc32(name.encode()) % SLOTS for name in names})  # all in one order
                        await self._connection.execute(
                            f"SELECT {lock} FROM unnest(%s::int[]) AS slot".encode(), (self._dialect.table, slots)
                        )
                    case Woken(nodes):
                        woken.update(nodes)
        except StopIteration as done:
            if woken and self._notify is not None:
                names = ",".join(sorted(woken))
                told = (self._notify, names if len(names) <= NOTIFIED else "")
                await self._connection.execute("SELECT pg_notify(%s, %s)", told)
            found: T = done.value
            return found


@dataclass(slots=True, eq=False)
class Job(Generic[WorkT]):
    """Something that waits for the connection."""

    work: WorkT
    reads: bool
    answer: "asyncio.Future[Any]"

    def fail(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


class Asking(Line[AsyncConnection[Any]], Generic[WorkT]):
    """A connection on which transactions run one after the other. `name` is what errors call the storage.

    `together` takes the works that one transaction does from the front of those that wait, and `program` makes one
    program of their works, which returns a result for each.
    """

    def __init__(
        self,
        name: str,
        connect: Callable[[], Awaitable[AsyncConnection[Any]]],
        dialect: Dialect,
        clock: Clock,
        *,
        program: Callable[[Sequence[WorkT]], Program[list[Any]]],
        together: Callable[[WorkT, WorkT], bool],
        notify: str | None = None,
        returned: Callable[[], None] | None = None,
        broker: Broker | None = None,
    ) -> None:
        super().__init__(name, connect, clock, broker)
        self._dialect, self._notify, self._returned = dialect, notify, returned
        self._program, self._together = program, together
        self._was_ready = False
        self._jobs: deque[Job[WorkT]] = deque()
        self._added = asyncio.Event()
        self._under_way: list[Job[WorkT]] = []

    async def do(self, work: WorkT, *, reads: bool = False) -> Any:
        """Do it. Raises BackplaneError: it was not done, or that is unknown."""
        self.connection  # noqa: B018  # raises while there is none
        job = Job(work, reads, asyncio.get_running_loop().create_future())
        self._jobs.append(job)
        self._added.set()
        return await job.answer

    async def _use(self, connection: AsyncConnection[Any]) -> None:
        session = Session(connection, self._dialect, self._notify)
        self._is_ready(connection)
        if self._was_ready and self._returned is not None:
            self._returned()
        self._was_ready = True
        while True:
            await asked(connection, self._added)
            while self._jobs:
                first = self._jobs.popleft()
                self._under_way = [first]
                while self._jobs and self._together(first.work, self._jobs[0].work):
                    self._under_way.append(self._jobs.popleft())
                await self._do(connection, session, self._under_way)
                self._under_way = []

    async def _do(self, connection: AsyncConnection[Any], session: Session, jobs: list[Job[WorkT]]) -> None:
        try:
            async with patiently(connection):
                found = await session.run(self._program([job.work for job in jobs]), reads=jobs[0].reads)
        except Exception as error:
            self._fail(jobs, error)
            if isinstance(error, LOST) and not isinstance(error, QueryCanceled | LockNotAvailable):
                raise  # the connection may be broken; the tables are looked for when it is open again
        else:
            for job, result in zip(jobs, found, strict=True):
                if not job.answer.done():
                    job.answer.set_result(result)

    def _fail(self, jobs: list[Job[WorkT]], error: Exception | None) -> None:
        for job in jobs:
            made = BackplaneError(f"{self.name} cannot be used at present: {error}")
            made.__cause__ = error
            job.fail(made)

    async def _end(self, connection: AsyncConnection[Any], error: Exception | None) -> None:
        jobs, self._under_way = [*self._under_way, *self._jobs], []
        self._jobs.clear()
        self._fail(jobs, error)
        with suppress(Exception):
            await connection.close()


async def create_tables(
    connections: Connections, dialect: Dialect, create: Sequence[str], known: int, name: str
) -> None:
    """Make the tables if they are not there. Raises psycopg's errors; BackplaneError: they are newer than `known`."""
    connection = await connections.open()
    try:
        async with patiently(connection):
            session = Session(connection, dialect, None)
            exists = await connection.execute("SELECT to_regclass(%s)", (f'"{dialect.table}_version"',))
            if (await exists.fetchone() or (None,))[0] is None:
                found = await session.run(prepared(create, known))
            else:
                found = await session.run(version(), reads=True)
    finally:
        await connection.close()
    if found > known:
        raise BackplaneError(f"{name} in PostgreSQL cannot be used: {NEWER.format(found=found, known=known)}")


async def reach(connections: Connections, dialect: Dialect, create: Sequence[str], known: int, name: str) -> None:
    """The same for a server that starts. Raises BackplaneError."""
    try:
        await create_tables(connections, dialect, create, known, name)
    except BackplaneError:
        raise
    except Exception as error:  # psycopg's, and those of the network
        raise BackplaneError(f"{name} in PostgreSQL cannot be reached: {why(error, 'make_tables()')}") from error
