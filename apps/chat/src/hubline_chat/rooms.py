"""Rooms: who can see them, who is in them, and what was said."""

import asyncio
import re
import secrets
import unicodedata
from collections.abc import Collection
from dataclasses import replace

from hubline import HubError
from hubline_chat import contract
from hubline_chat.contract import Person, RoomMember
from hubline_chat.history import History
from hubline_chat.limits import clean_name
from hubline_chat.people import People
from hubline_chat.store import Store, User
from hubline_chat.store.rooms import MemberRecord, RoomRecord

ROOMS = 200
OWNED = 20
"""Rooms that one person may have made."""
MEMBERS = 100
SLUG_LENGTH = 40


class Room:
    """One room. Who is in it are connections; the people behind them are looked up when somebody wants to know."""

    def __init__(self, record: RoomRecord, history: History) -> None:
        self.id, self.name, self.topic, self.is_private = record.id, record.name, record.topic, record.is_private
        self.history = history
        self.group = f"room:{record.id}"
        """The hub group of those who are in it."""
        self.members = {each.user_id: RoomMember(each.user_id, each.name, each.is_owner) for each in record.members}
        """In the order in which they came. Of a room that everybody can see, only who made it."""
        self._connections: set[str] = set()

    def is_visible_to(self, user_id: str) -> bool:
        return not self.is_private or user_id in self.members

    def is_owned_by(self, user_id: str) -> bool:
        return user_id in self.members and self.members[user_id].is_owner

    def join(self, connection_id: str) -> bool:
        """Whether the connection is new here."""
        is_new = connection_id not in self._connections
        self._connections.add(connection_id)
        return is_new

    def leave(self, connection_id: str) -> bool:
        """Whether the connection was here."""
        was_here = connection_id in self._connections
        self._connections.discard(connection_id)
        return was_here

    def people(self, people: People) -> list[Person]:
        """Who is here, by name, with the number of their connections in this room."""
        found: dict[str, Person] = {}
        for connection_id in self._connections:
            person = people.who(connection_id)
            known = found.get(person.id, person)
            found[person.id] = replace(known, devices=known.devices + 1)
        return sorted(found.values(), key=lambda person: (person.name.casefold(), person.id))

    def has(self, person: Person, people: People) -> bool:
        return any(people.who(connection_id).id == person.id for connection_id in self._connections)

    def info(self, people: People) -> contract.Room:
        count = len({people.who(connection_id).id for connection_id in self._connections})
        members = list(self.members.values()) if self.is_private else []
        return contract.Room(self.id, self.name, self.topic, count, self.history.last_seq, self.is_private, members)


class Rooms:
    """All rooms, in the order in which they were made. `load` them first; each change is stored before it is made.

    A private room does not exist for whoever is no member: it is not listed, not found, and its name is not taken.
    """

    def __init__(self, store: Store, *, history_messages: int = 1_000) -> None:
        self._store, self._history_messages = store, history_messages
        self._rooms: dict[str, Room] = {}
        self._changing = asyncio.Lock()

    async def load(self) -> None:
        """Read every room, with the newest of what was said."""
        for record in await self._store.rooms.all():
            room = self._rooms[record.id] = Room(record, History(self._history_messages))
            for message in await self._store.messages.newest(room.id, self._history_messages):
                room.history.restore(message)

    async def create(self, name: str, owner: User, *, is_private: bool = False) -> Room:
        """A new room.

        Raises:
            HubError: the name is not valid or in use, there are too many rooms, or it could not be stored.
        """
        name = clean_name(name, whose="The room's name")
        async with self._changing:
            if len(self._rooms) >= ROOMS:
                raise HubError(f"There are {ROOMS} rooms already, and more are not possible.")
            if sum(room.is_owned_by(owner.id) for room in self._rooms.values()) >= OWNED:
                raise HubError(f"You have made {OWNED} rooms already, and more are not possible.")
            if any(room.name.casefold() == name.casefold() for room in self.visible_to(owner.id)):
                raise HubError(f"There is a room called {name} already.")
            room_id = secrets.token_urlsafe(9) if is_private else self._free_id(name)
            record = RoomRecord(room_id, name, "", is_private, [MemberRecord(owner.id, owner.name, True)])
            await self._store.rooms.add(record)
            room = self._rooms[room_id] = Room(record, History(self._history_messages))
        return room

    async def add_member(self, room_id: str, by: User, user: User) -> Room:
        """Let somebody into a private room. Raises HubError."""
        async with self._changing:
            room = self.find(room_id, by.id)
            if not room.is_private:
                raise HubError(f"Everybody can join {room.name}: it is not private.")
            if user.id in room.members:
                return room
            if len(room.members) >= MEMBERS:
                raise HubError(f"{room.name} has {MEMBERS} members already, and more are not possible.")
            await self._store.rooms.add_member(room_id, MemberRecord(user.id, user.name, False))
            room.members[user.id] = RoomMember(user.id, user.name)
        return room

    async def remove_member(self, room_id: str, by: User, user_id: str) -> Room:
        """Take somebody out of a private room. The last owner is followed by the oldest member; an empty room is gone.

        Raises:
            HubError: it is another's to do, or there is no such room or member.
        """
        async with self._changing:
            room = self.find(room_id, by.id)
            if not room.is_private:
                raise HubError(f"Everybody can join {room.name}: it is not private.")
            if by.id != user_id and not room.is_owned_by(by.id) and by.role != "admin":
                raise HubError("Only the owner of a room can remove others from it.")
            if user_id not in room.members:
                raise HubError("This person is no member of the room.")
            await self._remove(room, user_id)
        return room

    async def forget(self, user_id: str) -> list[Room]:
        """Take somebody whose account is gone out of every private room; those rooms."""
        async with self._changing:
            rooms = [room for room in self._rooms.values() if user_id in room.members]
            for room in rooms:
                await self._remove(room, user_id)
        return [room for room in rooms if room.is_private]

    async def clear(self, room: Room, before: int) -> None:
        """Delete what was said in a room before a number."""
        await self._store.messages.trim({room.id: before})
        room.history.clear(before)

    def get(self, room_id: str) -> Room | None:
        return self._rooms.get(room_id)

    def find(self, room_id: str, user_id: str) -> Room:
        """The room with this id, as far as the user can see it.

        Raises:
            HubError: there is none.
        """
        room = self._rooms.get(room_id)
        if room is None or not room.is_visible_to(user_id):
            raise HubError("This room does not exist.")
        return room

    def of_message(self, message_id: str, user_id: str) -> tuple[Room, contract.Message]:
        """A message that is still kept, and its room.

        Raises:
            HubError: there is none that the user can see.
        """
        for room in self.visible_to(user_id):
            if (message := room.history.find(message_id)) is not None:
                return room, message
        raise HubError("This message is no longer there.")

    def visible_to(self, user_id: str) -> list[Room]:
        return [room for room in self._rooms.values() if room.is_visible_to(user_id)]

    def private_of(self, user_id: str) -> frozenset[str]:
        """The ids of the private rooms a user can see: whoever can see the same ones sees the same list."""
        return frozenset(room.id for room in self._rooms.values() if room.is_private and user_id in room.members)

    def leave_all(self, connection_id: str) -> list[Room]:
        """Take a connection out of every room; those it was in."""
        return [room for room in self._rooms.values() if room.leave(connection_id)]

    def list(self, private: Collection[str], people: People) -> "list[contract.Room]":
        """The rooms that everybody can see, and these private ones."""
        rooms = self._rooms.values()
        return [room.info(people) for room in rooms if not room.is_private or room.id in private]

    def oldest(self) -> dict[str, int]:
        """The number of the oldest message that each room keeps."""
        return {room.id: room.history.oldest for room in self._rooms.values()}

    def has(self, room: Room) -> bool:
        """Whether the room has not been deleted."""
        return self._rooms.get(room.id) is room

    async def _remove(self, room: Room, user_id: str) -> None:
        left = [member for member in room.members.values() if member.id != user_id]
        if room.is_private and not left:
            await self._store.rooms.delete(room.id)
            del self._rooms[room.id]
        else:
            heir = left[0].id if left and not any(member.is_owner for member in left) else None
            await self._store.rooms.remove_member(room.id, user_id, heir=heir)
            if heir is not None:
                room.members[heir] = replace(room.members[heir], is_owner=True)
        del room.members[user_id]

    def _free_id(self, name: str) -> str:
        """A readable id, for addresses: the name's Latin letters and digits, with a number where that is taken."""
        ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
        slug = re.sub(r"[^a-z0-9]+", "-", ascii_name).strip("-")[:SLUG_LENGTH] or "room"
        number = 1
        while (room_id := slug if number == 1 else f"{slug}-{number}") in self._rooms:
            number += 1
        return room_id
