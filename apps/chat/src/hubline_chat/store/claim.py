"""Only one process may serve a database, because the present people and the next numbers are in its memory."""

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from hubline import ConfigurationError

if sys.platform != "win32":
    import fcntl

SERVES = 0x48754C53
"""Number of the advisory lock in PostgreSQL of the serving process. Ours; "HuLS"."""


class Taken(ConfigurationError):
    """Another process serves the database."""


@asynccontextmanager
async def claimed(engine: AsyncEngine, name: str) -> AsyncIterator[None]:
    """Be the only process that serves a database while the block runs. The claim ends with the process, in any case.

    Raises:
        Taken: another process serves it.
    """
    if engine.url.get_backend_name() == "sqlite":
        with _file_locked(Path(f"{engine.url.database}.lock"), name):
            yield
        return
    async with engine.connect() as connection:
        if not await connection.scalar(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": SERVES}):
            raise _taken(name)
        await connection.commit()  # the lock belongs to the connection, and no transaction stays open for it
        try:
            yield
        finally:
            await connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": SERVES})


@contextmanager
def _file_locked(path: Path, name: str) -> Iterator[None]:
    """The lock of a file beside the database. Windows has no such lock: there it is not checked."""
    if sys.platform == "win32":
        yield
        return
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _taken(name) from None
        yield


def _taken(name: str) -> Taken:
    way_out = "end it, or give this one a place of its own by HUBLINE_CHAT_DATA or HUBLINE_CHAT_DATABASE"
    return Taken([f"another Hubline Chat serves the database {name}: {way_out}"])
