"""What a run log or rooms need of a database: transactions, and to be woken when other servers have sent something."""

import asyncio
from collections.abc import Awaitable, Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, TypeGuard

from hubline._clock import Clock
from hubline.backplanes.lines import pause
from hubline.errors import BackplaneError
from hubline.sql.programs import Program, T

STRIDE = 64
"""Messages that are handed on in one turn of the event loop. Ours."""


@dataclass(frozen=True, slots=True)
class Schema:
    """What is kept in a database. Among the tables are `nodes`, `topics` and `mail`, as `runs.sql_tables` has them."""

    name: str
    """What errors call it."""
    tables: Sequence[str]
    create: Sequence[str]
    known: int
    """The version of the tables."""
    append: Callable[[Sequence[Any]], Program[list[Any]]]
    """Does what `Database.append` was given, of any number of callers, in one transaction."""
    clean: Callable[[str, int], Program[None]]
    """Removes what has expired, and the mail of a server up to a number."""


class Events(Protocol):
    """What a database reports to its owner, on the event loop."""

    def news(self) -> None:
        """Something may have come for this server."""

    def interrupted(self) -> None:
        """The database was away: news may have been lost."""


class Database(Protocol):
    """One database, as one server uses it. All methods but `close` raise BackplaneError."""

    async def start(self) -> None:
        """Connect, and make the tables. Also raises if the tables are of a newer version.

        From now on servers are woken when a transaction has put something into their mail.
        """

    async def run(self, program: Program[T], *, reads: bool = False) -> T:
        """Run a program in a transaction, and return its result. `reads`: it changes nothing, and sees one moment."""

    async def append(self, request: Any) -> Any:
        """Add entries or messages, as `Schema.append` does. Those that wait are joined in one transaction."""

    async def mail(self) -> list[tuple[str, str]]:
        """What has come for this server, as channels and bodies. Nothing comes twice."""

    async def clean(self) -> None:
        """Remove what has expired."""

    def hurry(self, does: bool) -> None:
        """Whether somebody waits for news: then they are looked for often, if nothing wakes this server."""

    async def close(self) -> None:
        """Close all connections. Idempotent."""

    def forget(self) -> None:
        """Close everything, because its event loop does not run any more."""


MakeDatabase: TypeAlias = Callable[[Events, str], Database]
"""Makes the database of a server, not yet connected."""

AtHand: TypeAlias = Callable[[], Awaitable[tuple[Database, str]]]
"""The database, connected, and the name of this server."""


def is_program(work: Any) -> TypeGuard[Program[Any]]:
    """Whether it is a program, and not a request to `append`."""
    return isinstance(work, Generator)


async def read_mail(
    database: Database, came: asyncio.Event, clock: Clock, received: Callable[[str, str], None]
) -> None:
    """Hand on what has come for this server, as channel and body, each time that the event is set. Never returns."""
    while True:
        await came.wait()
        came.clear()
        try:
            messages = await database.mail()
        except BackplaneError:
            await clock.sleep(pause(0))
            came.set()
            continue
        for number, (channel, body) in enumerate(messages, 1):
            received(channel, body)
            if number % STRIDE == 0:
                await asyncio.sleep(0)
