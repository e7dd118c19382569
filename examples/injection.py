"""Services for methods, arguments validated from type hints, and a filter around every call."""

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

from hubline import Depends, Hub, HubApp, HubFilter, InvocationContext

logger = logging.getLogger("notes")


@dataclass
class Note:
    """Is sent in camelCase in JSON: `{"text": …, "writtenAt": …, "id": …}`."""

    text: str
    written_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    id: UUID = field(default_factory=uuid4)


class Database:
    """A placeholder for a connection to a database."""

    notes: dict[UUID, Note]

    def __init__(self) -> None:
        self.notes = {}


store = Database()


async def database() -> AsyncIterator[Database]:
    """The code after `yield` runs when the call has ended, whatever its outcome."""
    yield store
    logger.info("call ended, %d notes", len(store.notes))


class NoteHub(Hub):
    """A call whose arguments do not fit fails; the connection goes on, and the log says why."""

    async def write(self, note: Note, database: Annotated[Database, Depends(database)]) -> UUID:
        database.notes[note.id] = note
        return note.id

    async def read(self, id: UUID, database: Annotated[Database, Depends(database)]) -> Note | None:
        return database.notes.get(id)


class Timing(HubFilter):
    """Logs how long each call took."""

    async def invoke(self, call: InvocationContext, next: Callable[[InvocationContext], Awaitable[Any]]) -> Any:
        started = time.perf_counter()
        try:
            return await next(call)
        finally:
            logger.info("%s took %.1f ms", call.method, 1000 * (time.perf_counter() - started))


app = HubApp({"/notes": NoteHub}, filters=[Timing()])
