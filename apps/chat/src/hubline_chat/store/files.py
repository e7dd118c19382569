"""The tables of files, and of the messages that they belong to."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, exists, func, or_, select

from hubline_chat.attached import File
from hubline_chat.store.database import Database, unbroken
from hubline_chat.store.tables import ATTACHMENTS, FILES

_IS_ATTACHED = exists().where(ATTACHMENTS.c.file_id == FILES.c.id)
SWEPT = 500
"""Files that are found at once to be deleted."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file. `is_attached`: a message has it. `is_unsent`: none had it yet, and only its owner may see it."""

    file: File
    owner_id: str
    room_id: str
    is_attached: bool
    is_unsent: bool


class FileStore:
    """Descriptions of files; their bytes are in a `files.storage.Storage`."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @unbroken
    async def add(self, file: File, owner_id: str, room_id: str) -> None:
        """A new file, which belongs to no message yet."""
        row = {"owner_id": owner_id, "room_id": room_id, "uploaded_at": datetime.now(UTC), "is_sent": False}
        row |= {"id": file.id, "name": file.name, "type": file.type, "size": file.size}
        async with self.database.writing() as connection:
            await connection.execute(FILES.insert().values(row | {"width": file.width, "height": file.height}))

    @unbroken
    async def get(self, file_ids: Collection[str]) -> dict[str, StoredFile]:
        """Those of these files that exist, by id."""
        query = select(FILES, _IS_ATTACHED.label("is_attached")).where(FILES.c.id.in_(file_ids))
        async with self.database.reading() as connection:
            rows = (await connection.execute(query)).all()
        return {row.id: _stored(row) for row in rows}

    @unbroken
    async def used(self, owner_id: str) -> int:
        """Bytes of all files of a person."""
        query = select(func.coalesce(func.sum(FILES.c.size), 0)).where(FILES.c.owner_id == owner_id)
        async with self.database.reading() as connection:
            return int(await connection.scalar(query) or 0)

    @unbroken
    async def detach(self, file_ids: Collection[str]) -> None:
        """Take files out of their message; `unused` finds them then."""
        async with self.database.writing() as connection:
            await connection.execute(delete(ATTACHMENTS).where(ATTACHMENTS.c.file_id.in_(file_ids)))

    @unbroken
    async def unused(self, before: datetime) -> Sequence[str]:
        """Ids of files whose message is gone, and of those uploaded before a moment that were never sent."""
        is_old: ColumnElement[bool] = or_(FILES.c.is_sent, FILES.c.uploaded_at < before)
        query = select(FILES.c.id).where(~_IS_ATTACHED, is_old).order_by(FILES.c.uploaded_at).limit(SWEPT)
        async with self.database.reading() as connection:
            return list((await connection.execute(query)).scalars())

    @unbroken
    async def delete_unused(self, file_ids: Collection[str]) -> None:
        """Forget these files, except those that a message has."""
        async with self.database.writing() as connection:
            await connection.execute(delete(FILES).where(FILES.c.id.in_(file_ids), ~_IS_ATTACHED))


def _stored(row: Row[Any]) -> StoredFile:
    return StoredFile(_file(row), row.owner_id, row.room_id, row.is_attached, not row.is_sent)


def _file(row: Row[Any]) -> File:
    return File(row.id, row.name, row.type, row.size, row.width, row.height)
