"""The tables of rooms and of the members of private ones."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypedDict

from sqlalchemy import delete, select, update

from hubline_chat.store.database import Database, unbroken
from hubline_chat.store.tables import MEMBERS, ROOMS, USERS


@dataclass(frozen=True, slots=True)
class MemberRecord:
    user_id: str
    name: str
    is_owner: bool


@dataclass(frozen=True, slots=True)
class RoomRecord:
    """A stored room, with the members in the order in which they joined."""

    id: str
    name: str
    topic: str
    is_private: bool
    members: list[MemberRecord] = field(default_factory=list)
    last_seq: int = 0
    """The highest number of a message that was deleted."""
    asks: bool = False
    """Whether a plain message is a question to the assistant."""
    is_archived: bool = False
    retention_days: int | None = None
    is_conversation: bool = False
    """A private conversation of one person with the assistant."""
    pair: str | None = None
    """Of a conversation of two people: their ids, in order."""
    model: str | None = None
    """The id of the model that was chosen."""
    prompt: str = ""
    """What the assistant is told here."""
    made_at: datetime = field(default_factory=lambda: datetime.now(UTC))


class RoomChange(TypedDict, total=False):
    """Columns of a room that people change."""

    is_archived: bool
    retention_days: int | None
    model: str | None
    prompt: str


class RoomStore:
    """Every room."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @unbroken
    async def all(self) -> Sequence[RoomRecord]:
        """All of them, in the order in which they were made."""
        rooms = select(ROOMS).order_by(ROOMS.c.created_at, ROOMS.c.id)
        members = select(MEMBERS, USERS.c.name).join_from(MEMBERS, USERS).order_by(MEMBERS.c.joined_at)
        async with self.database.reading() as connection:
            found = {
                row.id: RoomRecord(
                    row.id,
                    row.name,
                    row.topic,
                    row.is_private,
                    last_seq=row.last_seq,
                    asks=row.asks,
                    is_archived=row.is_archived,
                    retention_days=row.retention_days,
                    is_conversation=row.is_conversation,
                    pair=row.pair,
                    model=row.model,
                    prompt=row.prompt,
                    made_at=row.created_at,
                )
                for row in (await connection.execute(rooms)).all()
            }
            for row in (await connection.execute(members)).all():
                found[row.room_id].members.append(MemberRecord(row.user_id, row.name, row.is_owner))
        return list(found.values())

    @unbroken
    async def add(self, room: RoomRecord) -> None:
        """Store a new room with its members."""
        values: dict[str, object] = {"id": room.id, "name": room.name, "folded": room.name.casefold()}
        async with self.database.writing() as connection:
            values |= {"topic": room.topic, "is_private": room.is_private, "created_at": room.made_at}
            values |= {"asks": room.asks, "is_conversation": room.is_conversation, "pair": room.pair}
            await connection.execute(ROOMS.insert().values(values))
            for member in room.members:
                await connection.execute(MEMBERS.insert().values(_member(room.id, member, room.made_at)))

    @unbroken
    async def add_member(self, room_id: str, member: MemberRecord) -> None:
        async with self.database.writing() as connection:
            await connection.execute(MEMBERS.insert().values(_member(room_id, member, datetime.now(UTC))))

    @unbroken
    async def remove_member(self, room_id: str, user_id: str, *, heir: str | None = None) -> None:
        """Take a member out; `heir` owns the room from then on."""
        async with self.database.writing() as connection:
            at_room = MEMBERS.c.room_id == room_id
            await connection.execute(delete(MEMBERS).where(at_room, MEMBERS.c.user_id == user_id))
            if heir is not None:
                await connection.execute(
                    update(MEMBERS).where(at_room, MEMBERS.c.user_id == heir).values(is_owner=True)
                )

    @unbroken
    async def rename(self, room_id: str, name: str, topic: str) -> None:
        changed = update(ROOMS).where(ROOMS.c.id == room_id).values(name=name, folded=name.casefold(), topic=topic)
        async with self.database.writing() as connection:
            await connection.execute(changed)

    @unbroken
    async def change(self, room_id: str, change: RoomChange) -> None:
        async with self.database.writing() as connection:
            await connection.execute(update(ROOMS).where(ROOMS.c.id == room_id).values(**change))

    @unbroken
    async def delete(self, room_id: str) -> None:
        """Delete a room with its messages."""
        async with self.database.writing() as connection:
            await connection.execute(delete(ROOMS).where(ROOMS.c.id == room_id))


def _member(room_id: str, member: MemberRecord, now: datetime) -> dict[str, object]:
    return {"room_id": room_id, "user_id": member.user_id, "is_owner": member.is_owner, "joined_at": now}
