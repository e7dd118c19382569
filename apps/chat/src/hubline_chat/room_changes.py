"""What people do to rooms: make, change and delete them, add and remove members."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from typing_extensions import Unpack

from hubline import HubError
from hubline_chat.limits import check_days, clean_prompt
from hubline_chat.news import Pages
from hubline_chat.room import UNTITLED, Room
from hubline_chat.store import Store, User
from hubline_chat.store.rooms import RoomChange
from hubline_chat.titles import shortened

if TYPE_CHECKING:
    from hubline_chat.chat import Chat


class RoomChanges:
    """Changes of rooms, and the news about them."""

    def __init__(self, chat: "Chat", store: Store, pages: Callable[[], Pages]) -> None:
        self._chat, self._store, self._pages = chat, store, pages

    async def create(self, connection_id: str, name: str, *, is_private: bool) -> Room:
        room = await self._chat.rooms.create(name, self._chat.people.user(connection_id), is_private=is_private)
        self._chat.news.rooms()
        return room

    async def converse(self, connection_id: str) -> Room:
        """A private conversation with the assistant: a new one, unless one is there in which nothing was said."""
        user, rooms = self._chat.people.user(connection_id), self._chat.rooms
        for room in rooms.visible_to(user.id):
            if room.is_conversation and room.is_untitled and room.history.last_seq == 0:
                return room
        room = await rooms.converse(user)
        self._chat.news.rooms()
        return room

    async def pair(self, connection_id: str, person_id: str) -> Room:
        """The conversation with another person. Raises HubError when there is no such person, or it was a guest."""
        by, user = self._chat.people.user(connection_id), await self._store.users.get(person_id)
        if user is None or (user.role == "guest" and self._chat.people.named(user.id) is None):
            raise HubError("This person is not here any more.")
        if user.is_disabled:
            raise HubError(f"The account of {user.name} is disabled.")
        if user.id == by.id:
            raise HubError("This is you.")
        room = await self._chat.rooms.pair(by, user)
        self._chat.news.rooms()
        return room

    async def begun(self, room: Room, question: str) -> None:
        """Name a new conversation by its first question, until the model has found a title."""
        if not room.is_conversation or room.name != UNTITLED:
            return
        try:
            await self._chat.rooms.entitle(room, shortened(question), is_final=False)
        except HubError:  # it has no words, or the store is out of order: the message is there all the same
            return
        self._chat.news.rooms()

    async def change(self, connection_id: str, room_id: str, name: str, topic: str) -> Room:
        room = await self._chat.rooms.change(room_id, self._chat.people.user(connection_id), name, topic)
        self._chat.news.rooms()
        return room

    async def archive(self, connection_id: str, room_id: str, is_archived: bool) -> Room:
        return await self._adjust(connection_id, room_id, is_archived=is_archived)

    async def retain(self, connection_id: str, room_id: str, days: int | None) -> Room:
        check_days(days)
        return await self._adjust(connection_id, room_id, retention_days=days)

    async def instruct(self, connection_id: str, room_id: str, prompt: str) -> Room:
        """What the assistant is told in a room before everything else; all who are there see it."""
        room = await self._adjust(connection_id, room_id, prompt=clean_prompt(prompt))
        await self._pages().clients.group(room.group).prompt_changed(room.id, room.prompt)
        return room

    async def choose(self, connection_id: str, room_id: str, model_id: str) -> Room:
        """The model that answers in a room from now on. Whoever may not use it is answered by another one."""
        user = self._chat.people.user(connection_id)
        offer = self._chat.assistant.models.chosen(user, model_id)
        room = await self._chat.rooms.choose(room_id, user, offer.info.id)
        self._chat.news.rooms()
        return room

    async def _adjust(self, connection_id: str, room_id: str, **change: Unpack[RoomChange]) -> Room:
        room = await self._chat.rooms.adjust(room_id, self._chat.people.user(connection_id), **change)
        self._chat.news.rooms()
        return room

    async def delete(self, connection_id: str, room_id: str) -> None:
        """Delete a room for everybody: whoever is there is told, and its answers stop."""
        by = self._chat.people.user(connection_id)
        room = await self._chat.rooms.delete(room_id, by)
        whose = "You have" if room.is_conversation or room.is_pair else f"{by.name} has"
        await self._pages().clients.group(room.group).room_gone(room.id, f"{whose} deleted {room.name}.")
        for member in await self._chat.presence.members(room.id):
            for device in member.devices:
                await self._pages().groups.remove(device.id, room.group)
            await self._chat.presence.recheck(member.user)
        await self._chat.assistant.stop_all(room)
        self._chat.news.rooms()

    async def add_member(self, connection_id: str, room_id: str, name: str) -> Room:
        """Add a person to a private room, by name. What was said before counts as read."""
        by = self._chat.people.user(connection_id)
        self._chat.rooms.find(room_id, by.id)
        user = await self._store.users.named(name)
        if user is None:
            raise HubError(f"There is no person called {name[:40]}.")
        room = await self._chat.rooms.add_member(room_id, by, user)
        await self._chat.marks.read(user.id, room, room.history.last_seq)
        self._chat.news.rooms()
        return room

    async def remove_member(self, connection_id: str, room_id: str, person_id: str) -> Room:
        """Remove a person, or oneself, from a private room: at once, with every connection."""
        by = self._chat.people.user(connection_id)
        room = await self._chat.rooms.remove_member(room_id, by, person_id)
        sentence = f"You have left {room.name}." if by.id == person_id else f"You were removed from {room.name}."
        await self._shut_out(room, person_id, sentence)
        return room

    async def forget(self, user: User, name: str | None = None) -> None:
        """A person's account is gone: every private room is left. `name`: as in `Rooms.forget`."""
        for room in await self._chat.rooms.forget(user.id, name):
            await self._shut_out(room, user.id, f"You are no longer a member of {room.name}.")

    async def _shut_out(self, room: Room, user_id: str, sentence: str) -> None:
        chat, pages = self._chat, self._pages()
        for connection_id in chat.people.connections(user_id):
            await pages.groups.remove(connection_id, room.group)
        await chat.presence.recheck(user_id)
        await chat.assistant.runs.recheck(user_id)
        await pages.clients.user(user_id).room_gone(room.id, sentence)
        if not chat.rooms.has(room):
            await chat.assistant.stop_all(room)
        chat.news.rooms()
