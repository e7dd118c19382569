"""The tables of read marks, and of mentions of people in messages."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from hubline_chat.store.database import Database, unbroken
from hubline_chat.store.tables import MENTIONS, READ_MARKS, ROOMS, USERS

Place = tuple[str, str]
"""A user and a room, by their ids."""


class Marks:
    """How far each user has read each room, and which messages mention the user."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @unbroken
    async def of(self, user_id: str) -> dict[str, int]:
        """The number of the last message that a user has read, by room."""
        query = select(READ_MARKS.c.room_id, READ_MARKS.c.seq).where(READ_MARKS.c.user_id == user_id)
        async with self.database.reading() as connection:
            return {row.room_id: row.seq for row in (await connection.execute(query)).all()}

    @unbroken
    async def advance(self, marks: Mapping[Place, int]) -> None:
        """Store marks that are higher than the stored ones. Those of users and rooms that are gone are skipped."""
        insert: Any = sqlite_insert if self.database.is_sqlite else postgresql_insert
        there = select(
            bindparam("room", type_=ROOMS.c.id.type), USERS.c.id, bindparam("last", type_=READ_MARKS.c.seq.type)
        )
        there = there.where(
            USERS.c.id == bindparam("user"), select(ROOMS.c.id).where(ROOMS.c.id == bindparam("room")).exists()
        )
        change = insert(READ_MARKS).from_select(["room_id", "user_id", "seq"], there)
        change = change.on_conflict_do_update(
            index_elements=[READ_MARKS.c.room_id, READ_MARKS.c.user_id],
            set_={"seq": change.excluded.seq},
            where=READ_MARKS.c.seq < change.excluded.seq,
        )
        values = [{"user": user, "room": room, "last": seq} for (user, room), seq in marks.items()]
        async with self.database.writing() as connection:
            await connection.execute(change, values)

    @unbroken
    async def mention(self, room_id: str, seq: int, user_ids: Collection[str]) -> None:
        """The people whom a message mentions, instead of those it mentioned before."""
        here = (MENTIONS.c.room_id == room_id) & (MENTIONS.c.seq == seq)
        rows = [{"room_id": room_id, "seq": seq, "user_id": user_id} for user_id in user_ids]
        async with self.database.writing() as connection:
            await connection.execute(delete(MENTIONS).where(here))
            if rows:
                await connection.execute(MENTIONS.insert(), rows)

    @unbroken
    async def mentions(self, user_id: str, limit: int) -> Sequence[tuple[str, int]]:
        """Room and number of the messages after a user's marks that mention the user: the newest, in no order."""
        mine = (READ_MARKS.c.room_id == MENTIONS.c.room_id) & (READ_MARKS.c.user_id == MENTIONS.c.user_id)
        query = (
            select(MENTIONS.c.room_id, MENTIONS.c.seq)
            .select_from(MENTIONS.outerjoin(READ_MARKS, mine))
            .where(MENTIONS.c.user_id == user_id, MENTIONS.c.seq > func.coalesce(READ_MARKS.c.seq, 0))
            .order_by(MENTIONS.c.seq.desc())
            .limit(limit)
        )
        async with self.database.reading() as connection:
            return [(row.room_id, row.seq) for row in (await connection.execute(query)).all()]
