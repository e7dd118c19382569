"""Rooms: their members and their messages."""

import asyncio
import secrets
from dataclasses import replace

from typing_extensions import Unpack

from hubline import HubError
from hubline_chat.contract import RoomMember
from hubline_chat.history import History
from hubline_chat.limits import clean_name, clean_topic
from hubline_chat.room import UNTITLED, Room, check_is_room
from hubline_chat.room_ids import free_id
from hubline_chat.store import Store, User
from hubline_chat.store.rooms import MemberRecord, RoomChange, RoomRecord

ROOMS = 200
GUEST_ROOMS = 100
"""With as many, guests make no more: one can be any number of guests. The rest is for those with an account."""
CONVERSATIONS = 100
"""Of one person with the assistant."""
PAIRS = 500
"""Conversations of one person with other people."""
REMEMBERED = 100
"""Messages of a conversation in memory."""
MEMBERS = 100


class Rooms:
    """All rooms, in the order in which they were made. `load` them first; each change is stored before it is made.

    For people who are not members, a private room does not exist: it is not listed, not found, and its name is free.
    """

    def __init__(self, store: Store, *, history_messages: int = 1_000, per_person: int = 20) -> None:
        """`per_person`: rooms that one person may have made."""
        self._store, self._history_messages, self._per_person = store, history_messages, per_person
        self._rooms: dict[str, Room] = {}
        self._changing = asyncio.Lock()

    async def load(self) -> None:
        """Read every room, with its newest messages."""
        for record in await self._store.rooms.all():
            kept = self._kept(is_conversation=record.is_conversation or record.pair is not None)
            room = self._rooms[record.id] = Room(record, History(kept, last_seq=record.last_seq))
            for message in await self._store.messages.newest(room.id, kept + 1):
                room.history.restore(message)

    async def create(self, name: str, owner: User, *, is_private: bool = False) -> Room:
        """A new room.

        Raises:
            HubError: the name is not valid or in use, there are too many rooms, or it could not be stored.
        """
        name = clean_name(name, whose="The room's name")
        async with self._changing:
            rooms = [room for room in self._rooms.values() if not room.is_conversation and not room.is_pair]
            if len(rooms) >= ROOMS:
                raise HubError(f"There are {ROOMS} rooms already, and more are not possible.")
            if owner.role == "guest" and len(rooms) >= GUEST_ROOMS:
                raise HubError(f"There are {len(rooms)} rooms already, and guests can make no more.")
            if sum(room.is_owned_by(owner.id) for room in rooms) >= self._per_person:
                raise HubError(f"You have made {self._per_person} rooms already, and more are not possible.")
            self._check_free(name, owner)
            room_id = secrets.token_urlsafe(9) if is_private else free_id(name, self._rooms)
            record = RoomRecord(room_id, name, "", is_private, [MemberRecord(owner.id, owner.name, True)])
            await self._store.rooms.add(record)
            room = self._rooms[room_id] = Room(record, History(self._history_messages))
        return room

    async def converse(self, owner: User) -> Room:
        """A new private conversation with the assistant. Raises HubError."""
        async with self._changing:
            mine = [room for room in self.visible_to(owner.id) if room.is_conversation]
            if len(mine) >= CONVERSATIONS:
                raise HubError(f"You have {CONVERSATIONS} conversations already. Delete some of them first.")
            members = [MemberRecord(owner.id, owner.name, True)]
            record = RoomRecord(secrets.token_urlsafe(9), UNTITLED, "", True, members, asks=True, is_conversation=True)
            await self._store.rooms.add(record)
            room = self._rooms[record.id] = Room(record, History(self._kept(is_conversation=True)))
        return room

    async def pair(self, one: User, other: User) -> Room:
        """The conversation of two people; a new one if there is none. Raises HubError."""
        key = ":".join(sorted((one.id, other.id)))
        async with self._changing:
            mine = [room for room in self.visible_to(one.id) if room.is_pair]
            known = next((room for room in mine if room.pair == key), None)
            if known is not None:
                return known
            if len(mine) >= PAIRS:
                raise HubError(f"You have conversations with {PAIRS} people already, and more are not possible.")
            members = [MemberRecord(user.id, user.name, False) for user in (one, other)]
            record = RoomRecord(secrets.token_urlsafe(9), other.name, "", True, members, pair=key)
            await self._store.rooms.add(record)
            room = self._rooms[record.id] = Room(record, History(self._kept(is_conversation=True)))
        return room

    async def entitle(self, room: Room, title: str, *, is_final: bool) -> bool:
        """Name a conversation that nobody has named; whether that was done. Raises StoreError."""
        async with self._changing:
            if not room.is_untitled or not self.has(room):
                return False
            await self._store.rooms.rename(room.id, title, room.topic)
            room.name, room.is_untitled = title, not is_final
        return True

    async def change(self, room_id: str, by: User, name: str, topic: str) -> Room:
        """Another name and topic, by an owner or an administrator.

        Raises:
            HubError: it is not theirs to do, a text is not valid, the name is in use, or it could not be stored.
        """
        name, topic = clean_name(name, whose="The room's name"), clean_topic(topic)
        async with self._changing:
            room = self._ruled(room_id, by)
            check_is_room(room)
            if not room.is_conversation:
                self._check_free(name, by, besides=room)
            await self._store.rooms.rename(room_id, name, topic)
            room.name, room.topic, room.is_untitled = name, topic, False
        return room

    async def delete(self, room_id: str, by: User) -> Room:
        """Delete a room with everything that was said in it; by an owner or an administrator. Raises HubError."""
        async with self._changing:
            room = self._ruled(room_id, by)
            await self._store.rooms.delete(room_id)
            del self._rooms[room_id]
        return room

    async def adjust(self, room_id: str, by: User, **change: Unpack[RoomChange]) -> Room:
        """Archive a room, or give it another retention, model or prompt; by an owner or an administrator.

        Raises:
            HubError: it is not theirs to do, or it could not be stored.
        """
        async with self._changing:
            room = self._ruled(room_id, by)
            check_is_room(room)
            return await self._adjust(room, change)

    async def choose(self, room_id: str, by: User, model: str) -> Room:
        """Choose the model of a room. All who can see it may, and guests only in rooms of their own.

        Raises:
            HubError: it is not theirs to do, or it could not be stored.
        """
        async with self._changing:
            return await self._adjust(
                self._ruled(room_id, by) if by.role == "guest" else self.find(room_id, by.id), {"model": model}
            )

    async def _adjust(self, room: Room, change: RoomChange) -> Room:
        await self._store.rooms.change(room.id, change)
        for name, value in change.items():
            setattr(room, name, value)
        return room

    def _check_free(self, name: str, user: User, besides: Room | None = None) -> None:
        """Raises HubError when another room that the user can see has the name. Conversations may be called alike."""
        others = [room for room in self.visible_to(user.id) if room is not besides]
        others = [room for room in others if not room.is_conversation and not room.is_pair]
        if any(room.name.casefold() == name.casefold() for room in others):
            raise HubError(f"There is a room called {name} already.")

    def _kept(self, *, is_conversation: bool) -> int:
        return min(self._history_messages, REMEMBERED) if is_conversation else self._history_messages

    def _ruled(self, room_id: str, by: User) -> Room:
        room = self.find(room_id, by.id)
        if not room.is_owned_by(by.id) and (by.role != "admin" or room.is_pair):
            check_is_room(room)
            raise HubError("Only the owner of a room or an administrator can do this.")
        return room

    async def add_member(self, room_id: str, by: User, user: User) -> Room:
        """Add a person to a private room. Raises HubError."""
        async with self._changing:
            room = self.find(room_id, by.id)
            check_is_room(room)
            if not room.is_private:
                raise HubError(f"Everybody can join {room.name}: it is not private.")
            if room.is_conversation:
                raise HubError("A conversation with the assistant is yours alone.")
            if user.id in room.members:
                return room
            if len(room.members) >= MEMBERS:
                raise HubError(f"{room.name} has {MEMBERS} members already, and more are not possible.")
            await self._store.rooms.add_member(room_id, MemberRecord(user.id, user.name, False))
            room.members[user.id] = RoomMember(user.id, user.name)
        return room

    async def remove_member(self, room_id: str, by: User, user_id: str) -> Room:
        """Remove a person from a private room. The oldest member replaces the last owner; an empty room is deleted.

        Raises:
            HubError: the user may not do it, or there is no such room or member.
        """
        async with self._changing:
            room = self.find(room_id, by.id)
            check_is_room(room)
            if not room.is_private:
                raise HubError(f"Everybody can join {room.name}: it is not private.")
            if by.id != user_id and not room.is_owned_by(by.id) and by.role != "admin":
                raise HubError("Only the owner of a room can remove others from it.")
            if user_id not in room.members:
                raise HubError("This person is not a member of the room.")
            await self._remove(room, user_id)
        return room

    async def forget(self, user_id: str, name: str | None = None) -> list[Room]:
        """Remove a person whose account is gone from every private room; returns these rooms.

        `name`: how conversations with the person are called from now on; by default as they were.
        """
        async with self._changing:
            rooms = [room for room in self._rooms.values() if user_id in room.members]
            for room in rooms:
                await self._remove(room, user_id, name)
        return [room for room in rooms if room.is_private]

    async def clear(self, room: Room, before: int) -> None:
        """Delete the messages of a room before a number."""
        await self._store.messages.clear(room.id, before)
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

    def all(self) -> list[Room]:
        return [*self._rooms.values()]

    def visible_to(self, user_id: str) -> list[Room]:
        return [room for room in self._rooms.values() if room.is_visible_to(user_id)]

    def private_of(self, user_id: str) -> frozenset[str]:
        """The ids of the private rooms that a user can see."""
        return frozenset(room.id for room in self._rooms.values() if room.is_private and user_id in room.members)

    def has(self, room: Room) -> bool:
        """Whether the room has not been deleted."""
        return self._rooms.get(room.id) is room

    async def _remove(self, room: Room, user_id: str, name: str | None = None) -> None:
        left = [member for member in room.members.values() if member.id != user_id]
        if room.is_private and not left:
            await self._store.rooms.delete(room.id)
            del self._rooms[room.id]
        else:
            heir = left[0].id if left and not any(member.is_owner for member in left) else None
            await self._store.rooms.remove_member(room.id, user_id, heir=heir)
            if heir is not None:
                room.members[heir] = replace(room.members[heir], is_owner=True)
            if room.is_pair:  # the other one keeps what was said, under the name of who is gone, and may delete it
                name = name or room.members[user_id].name
                await self._store.rooms.rename(room.id, name, "")
                await self._store.rooms.change(room.id, {"is_archived": True})
                room.name, room.is_archived = name, True
        del room.members[user_id]
