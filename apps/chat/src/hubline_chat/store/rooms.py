"""The tables of rooms and of the members of private ones."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

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
    """A room as it is kept; the members in the order in which they joined."""

    id: str
    name: str
    topic: str
    is_private: bool
    members: list[MemberRecord] = field(default_factory=list)


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
                row.id: RoomRecord(row.id, row.name, row.topic, row.is_private)
                for row in (await connection.execute(rooms)).all()
            }
            for row in (await connection.execute(members)).all():
                found[row.room_id].members.append(MemberRecord(row.user_id, row.name, row.is_owner))
        return list(found.values())

    @unbroken
    async def add(self, room: RoomRecord) -> None:
        """Keep a new room with its members."""
        now = datetime.now(UTC)
        values: dict[str, object] = {"id": room.id, "name": room.name, "folded": room.name.casefold()}
        async with self.database.writing() as connection:
            values |= {"topic": room.topic, "is_private": room.is_private, "created_at": now}
            await connection.execute(ROOMS.insert().values(values))
            for member in room.members:
                await connection.execute(MEMBERS.insert().values(_member(room.id, member, now)))

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
    async def delete(self, room_id: str) -> None:
        """Delete a room with everything that was said in it."""
        async with self.database.writing() as connection:
            await connection.execute(delete(ROOMS).where(ROOMS.c.id == room_id))


def _member(room_id: str, member: MemberRecord, now: datetime) -> dict[str, object]:
    return {"room_id": room_id, "user_id": member.user_id, "is_owner": member.is_owner, "joined_at": now}
