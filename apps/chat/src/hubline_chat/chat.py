"""Everything the chat does, for whichever hub method asks: people, rooms, messages, and the news about them."""

import secrets
from collections import OrderedDict
from collections.abc import Callable
from importlib.metadata import version
from typing import Literal, Protocol

from hubline import HubError
from hubline.models import ChatModel
from hubline_chat.answering import new_id, now
from hubline_chat.assistant import Assistant
from hubline_chat.contract import ChatClient, Earlier, Entered, Joined, Message, Person, Server
from hubline_chat.limits import check_id, clean_text
from hubline_chat.notices import Notices
from hubline_chat.people import RESERVED, People
from hubline_chat.prompts import question_in
from hubline_chat.rooms import Room, Rooms
from hubline_chat.settings import ChatSettings
from hubline_chat.typing_people import TypingPeople

ENTERED = "entered"
"""The hub group of every connection that has entered."""
SENT_KEPT = 2_000
"""Sent messages that are remembered by the ids their pages gave them, so that a repeated one is not said twice."""


class Pages(Protocol):
    """The pages that are connected: what `hubline.HubClients` offers, as far as it is needed here."""

    def group(self, name: str) -> ChatClient: ...

    def client(self, connection_id: str) -> ChatClient: ...


class Chat:
    """One chat server's state, in memory. `pages` is asked when something is sent, not before."""

    def __init__(
        self, model: ChatModel, settings: ChatSettings, pages: Callable[[], Pages], *, notice_interval: float = 0.1
    ) -> None:
        self.server = Server(version("hubline"), secrets.token_urlsafe(8))
        self.people = People(RESERVED | {settings.assistant_name.casefold()})
        self.rooms = Rooms(history_messages=settings.history_messages)
        self.notices = Notices(notice_interval)
        self.assistant = Assistant(model, settings, lambda room: pages().group(room.group))
        self._pages = pages
        self._typing = TypingPeople(self._typing_changed)
        self._sent: OrderedDict[tuple[str, str], Message] = OrderedDict()

    def set_model_state(self, state: Literal["starting", "ready", "failed"], detail: str | None) -> None:
        """Take note of how the model stands, and tell everybody."""
        self.assistant.set_state(state, detail)
        page = self._pages().group(ENTERED)
        self.notices.post("assistant", lambda: page.assistant_changed(self.assistant.info))

    def enter(self, connection_id: str, name: str, key: str) -> Entered:
        me = self.people.enter(connection_id, name, key)
        for room in self.rooms.joined_by({connection_id}):
            self._people_changed(room)
        return Entered(me, self.rooms.list(self.people), self.assistant.info, self.server)

    def join(self, connection_id: str, room_id: str, since: int | None, *, greet: bool) -> Joined:
        """Take a connection into a room it is already in the hub group of, and tell what it missed."""
        me = self.people.who(connection_id)
        room = self.rooms.find(room_id)
        if room.join(connection_id):
            self._people_changed(room)
        continued = None if since is None else room.history.after(since)
        messages, has_more = room.history.newest() if continued is None else (continued, True)
        if greet:
            page, note = self._pages().client(connection_id), self._welcome(room, me)
            self.notices.post(("welcome", connection_id), lambda: page.receive_message(note))
        return Joined(
            room.info(self.people),
            self.people_in(room),
            [message.at(now()) for message in messages],
            has_more,
            reset=since is not None and continued is None,
        )

    def leave(self, connection_id: str, room_id: str) -> Room:
        room = self.rooms.find(room_id)
        if room.leave(connection_id):
            self._people_changed(room)
        return room

    def disconnected(self, connection_id: str) -> None:
        left = self.rooms.leave_all(connection_id)
        self.people.leave(connection_id)
        for room in left:
            self._people_changed(room)

    def create_room(self, connection_id: str, name: str) -> Room:
        self.people.who(connection_id)
        room = self.rooms.create(name)
        self._rooms_changed()
        return room

    async def say(self, connection_id: str, room_id: str, client_message_id: str, text: str) -> Message:
        """Say something to a room; what begins with `@ai` is a question to the assistant too."""
        return await self._send(connection_id, room_id, client_message_id, text, asks=question_in(text) is not None)

    async def ask(self, connection_id: str, room_id: str, client_message_id: str, text: str) -> Message:
        return await self._send(connection_id, room_id, client_message_id, text, asks=True)

    async def stop(self, connection_id: str, message_id: str) -> None:
        """Stop an answer; everybody in its room may, and who asked."""
        me = self.people.who(connection_id)
        room, message = self.rooms.of_message(message_id)
        if message.answer is None:
            raise HubError("This message is no answer.")
        if message.answer.asked_by.id != me.id and not room.has(me, self.people):
            raise HubError("Only people in the room can stop its answers.")
        await self.assistant.stop(message_id)

    async def retry(self, connection_id: str, message_id: str) -> Message:
        me = self.people.who(connection_id)
        answer = await self.assistant.retry(*self.rooms.of_message(message_id), me)
        self._rooms_changed()
        return answer

    def typing(self, connection_id: str, room_id: str) -> None:
        self._typing.typed(self.rooms.find(room_id), self.people.who(connection_id))

    def earlier(self, connection_id: str, room_id: str, before_seq: int) -> Earlier:
        self.people.who(connection_id)
        messages, has_more = self.rooms.find(room_id).history.before(before_seq)
        return Earlier([message.at(now()) for message in messages], has_more)

    def people_in(self, room: Room) -> list[Person]:
        """Who is in a room, and the assistant, who always is."""
        return [*room.people(self.people), self.assistant.person]

    async def _send(
        self, connection_id: str, room_id: str, client_message_id: str, text: str, *, asks: bool
    ) -> Message:
        me = self.people.who(connection_id)
        room = self.rooms.find(room_id)
        check_id(client_message_id)
        text = clean_text(text)
        known = self._sent.get((me.id, client_message_id))
        if known is not None:
            if (known.room_id, known.text) != (room.id, text):
                raise HubError("Another message was sent under this message's id.")
            return known
        if asks:
            self.assistant.check(me)
        message = room.history.append(
            Message(new_id(), room.id, 0, "person", me, text, now(), client_message_id=client_message_id)
        )
        self._remember(me, message)
        self._typing.ended(room, me)
        await self._pages().group(room.group).receive_message(message)
        self._rooms_changed()
        if asks:
            await self.assistant.ask(room, message, me)
        return message

    def _remember(self, person: Person, message: Message) -> None:
        self._sent[person.id, str(message.client_message_id)] = message
        if len(self._sent) > SENT_KEPT:
            self._sent.popitem(last=False)

    def _welcome(self, room: Room, me: Person) -> Message:
        text = f"Welcome to {room.name}, {me.name}! Begin a message with @ai to ask the assistant."
        return Message(new_id(), room.id, 0, "system", Person("system", "System", "system"), text, now())

    def _people_changed(self, room: Room) -> None:
        page = self._pages().group(room.group)
        self.notices.post(("people", room.id), lambda: page.people_changed(room.id, self.people_in(room)))
        self._rooms_changed()

    def _rooms_changed(self) -> None:
        page = self._pages().group(ENTERED)
        self.notices.post("rooms", lambda: page.rooms_changed(self.rooms.list(self.people)))

    def _typing_changed(self, room: Room) -> None:
        page = self._pages().group(room.group)
        self.notices.post(("typing", room.id), lambda: page.typing_changed(room.id, self._typing.names(room)))
