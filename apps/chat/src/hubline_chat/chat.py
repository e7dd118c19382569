"""Everything the chat does, for whichever hub method asks: people, rooms, messages, and the news about them."""

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from importlib.metadata import version
from typing import Literal

from sqlalchemy.exc import IntegrityError

from hubline import HubError
from hubline.runs import Caller, RunInfo
from hubline_chat.allowance import Allowance
from hubline_chat.answering import RESTARTED, Answering, new_id, now
from hubline_chat.assistant import Assistant
from hubline_chat.clearing import Clearing
from hubline_chat.contract import ChatClient, Earlier, Entered, Joined, Message, ModelName, Person, Server
from hubline_chat.journal import Journal
from hubline_chat.limits import check_id, clean_text
from hubline_chat.news import News, Pages
from hubline_chat.people import People, me, person
from hubline_chat.reading import Models
from hubline_chat.rooms import Room, Rooms
from hubline_chat.settings import ChatSettings
from hubline_chat.store import Store, User
from hubline_chat.typing_people import TypingPeople

SENT_KEPT = 2_000
"""Sent messages that are remembered by the ids their pages gave them, so that a repeated one is not said twice."""
FOUND = 8
"""People that one search finds."""

Sent = tuple[str, str]
"""Who sent it, and the id that the page gave it."""


class Chat:
    """One chat server's state: what is stored, and who is here. `pages` is asked when something is sent, not before."""

    def __init__(self, models: Models, settings: ChatSettings, store: Store, pages: Callable[[], Pages]) -> None:
        self.server = Server(version("hubline"), secrets.token_urlsafe(8))
        self.people = People()
        self.rooms = Rooms(store, history_messages=settings.history_messages)
        self.journal = Journal(store.messages)
        self.allowance = Allowance(store.usage, settings, lambda user_id: self.news.budget(user_id))
        self.assistant = Assistant(
            models,
            settings,
            self.allowance,
            self.journal,
            allow=self._allow,
            tell=lambda room, message: self._page(room).message_changed(message),
            clear=Clearing(self.rooms, store, lambda room, before: self._page(room).history_cleared(room.id, before)),
        )
        self.typing_people = TypingPeople(lambda room: self.news.typing(room))
        self.news = News(self, pages)
        self._store, self._pages = store, pages
        self._sent: OrderedDict[Sent, asyncio.Future[Message]] = OrderedDict()

    async def load(self) -> None:
        """Read what was said before; answers that were running then are at their end."""
        await self._store.messages.interrupt(RESTARTED)
        await self.rooms.load()

    async def finish(self) -> None:
        """Take nothing more and finish what was begun, because the server goes away. May be called again."""
        await self.journal.close()
        await self.assistant.runs.drain()  # people learn how their answers ended before they are sent away

    def set_model_state(self, state: Literal["starting", "ready", "failed"], detail: str | None) -> None:
        """Take note of how the model stands, and tell everybody."""
        self.assistant.set_state(state, detail)
        self.news.assistant()

    async def enter(self, connection_id: str, user_id: str) -> Entered:
        """Take a connection for the user of its token."""
        user = await self._store.users.get(user_id)
        if user is None:
            raise HubError("Your session has ended. Sign in again.")
        budget = await self.allowance.budget(user)
        self.people.enter(connection_id, user)
        rooms = self.rooms.list(self.rooms.private_of(user.id), self.people)
        return Entered(me(user), rooms, self.assistant.info, budget, self.server)

    def join(self, connection_id: str, room_id: str, since: int | None, *, greet: bool) -> Joined:
        """Take a connection into a room it is already in the hub group of, and tell what it missed."""
        user = self.people.user(connection_id)
        room = self.rooms.find(room_id, user.id)
        if room.join(connection_id):
            self.news.people(room)
        continued = None if since is None else room.history.after(since)
        messages, has_more = room.history.newest() if continued is None else (continued, True)
        if greet:
            self.news.welcome(connection_id, self._welcome(room, user))
        return Joined(
            room.info(self.people),
            self.people_in(room),
            [message.at(now()) for message in messages],
            has_more,
            reset=since is not None and continued is None,
        )

    def leave(self, connection_id: str, room_id: str) -> Room:
        room = self.room(connection_id, room_id)
        if room.leave(connection_id):
            self.news.people(room)
        return room

    def disconnected(self, connection_id: str) -> None:
        left = self.rooms.leave_all(connection_id)
        self.people.leave(connection_id)
        for room in left:
            self.news.people(room)

    async def create_room(self, connection_id: str, name: str, *, is_private: bool) -> Room:
        room = await self.rooms.create(name, self.people.user(connection_id), is_private=is_private)
        self.news.rooms()
        return room

    async def add_member(self, connection_id: str, room_id: str, name: str) -> Room:
        """Let somebody into a private room, by name."""
        by = self.people.user(connection_id)
        self.rooms.find(room_id, by.id)
        user = await self._store.users.named(name)
        if user is None:
            raise HubError(f"There is nobody called {name[:40]}.")
        room = await self.rooms.add_member(room_id, by, user)
        self.news.rooms()
        return room

    async def remove_member(self, connection_id: str, room_id: str, person_id: str) -> Room:
        """Take somebody, or oneself, out of a private room: at once, with every connection."""
        by = self.people.user(connection_id)
        room = await self.rooms.remove_member(room_id, by, person_id)
        sentence = f"You have left {room.name}." if by.id == person_id else f"You were removed from {room.name}."
        await self._shut_out(room, person_id, sentence)
        return room

    async def say(self, connection_id: str, room_id: str, client_message_id: str, text: str) -> Message:
        """Say something to a room; what begins with `@ai` is a question to the assistant too."""
        asks: ModelName | None = "standard" if self.assistant.asked(text) is not None else None
        return await self._send(connection_id, room_id, client_message_id, text, asks=asks)

    async def ask(
        self, connection_id: str, room_id: str, client_message_id: str, text: str, model: ModelName
    ) -> Message:
        return await self._send(connection_id, room_id, client_message_id, text, asks=model)

    async def retry(self, connection_id: str, message_id: str) -> Message:
        """Ask the question of an answer again, of the same model if that is still this person's to ask."""
        user = self.people.user(connection_id)
        room, message = self.rooms.of_message(message_id, user.id)
        question = self.assistant.check_retry(room, message)
        answering = await self.assistant.admit(room, question, user, _model_for(user, message))
        try:
            [answer] = await self._post(room, [answering.message], answering)
        except IntegrityError:
            raise self._not_stored(room) from None
        return answer

    async def go_on(self, connection_id: str, message_id: str) -> None:
        """Let an answer that was cut go on from where it stopped."""
        user = self.people.user(connection_id)
        room, message = self.rooms.of_message(message_id, user.id)
        await self.assistant.go_on(room, message, user, _model_for(user, message))

    def typing(self, connection_id: str, room_id: str) -> None:
        self.typing_people.typed(self.room(connection_id, room_id), self.people.who(connection_id))

    def earlier(self, connection_id: str, room_id: str, before_seq: int) -> Earlier:
        messages, has_more = self.room(connection_id, room_id).history.before(before_seq)
        return Earlier([message.at(now()) for message in messages], has_more)

    async def find_people(self, connection_id: str, text: str) -> list[Person]:
        """People with an account, and guests who are here, by the beginning of their names."""
        self.people.who(connection_id)
        text = text.strip()[:40]
        if not text:
            return []
        found = {user.id: user for user in [*await self._store.users.find(text, FOUND), *self.people.find(text)]}
        return sorted(map(person, found.values()), key=lambda each: each.name.casefold())[:FOUND]

    def room(self, connection_id: str, room_id: str) -> Room:
        """A room that the person behind a connection can see. Raises HubError."""
        return self.rooms.find(room_id, self.people.who(connection_id).id)

    def people_in(self, room: Room) -> list[Person]:
        """Who is in a room, and the assistant, who always is."""
        return [*room.people(self.people), self.assistant.person]

    async def sessions_ended(self, session_ids: Collection[str]) -> None:
        """Cut the connections of these sessions, and no others."""
        self.people.cut(session_ids)

    async def account_changed(self, user: User) -> None:
        """Role or tier count from now on, also on connections that are open."""
        if self.people.change(user):
            self.news.account(user.id)

    async def account_deleted(self, user: User) -> None:
        for room in await self.rooms.forget(user.id):
            await self._shut_out(room, user.id, f"You are no member of {room.name} any more.")

    async def _shut_out(self, room: Room, user_id: str, sentence: str) -> None:
        pages = self._pages()
        for connection_id in self.people.connections(user_id):
            await pages.groups.remove(connection_id, room.group)
            room.leave(connection_id)
        await self.assistant.runs.recheck(user_id)
        await pages.clients.user(user_id).room_gone(room.id, sentence)
        if not self.rooms.has(room):
            await self.assistant.stop_all(room)
        self.news.people(room)

    async def _send(
        self, connection_id: str, room_id: str, client_message_id: str, text: str, *, asks: ModelName | None
    ) -> Message:
        """Say something once, however often the page sends it."""
        user = self.people.user(connection_id)
        room = self.rooms.find(room_id, user.id)
        check_id(client_message_id)
        text = clean_text(text)
        key = user.id, client_message_id
        known = self._sent.get(key)
        if known is not None:
            return _same(await asyncio.shield(known), room, text)
        sent = self._sent[key] = asyncio.get_running_loop().create_future()
        try:
            message = await self._say(room, user, client_message_id, text, asks)
        except BaseException as error:
            self._sent.pop(key, None)
            sent.set_exception(error if isinstance(error, HubError) else HubError("The message could not be stored."))
            sent.exception()  # nobody may be waiting for it
            raise
        sent.set_result(message)
        if len(self._sent) > SENT_KEPT:
            self._sent.popitem(last=False)
        return message

    async def _say(self, room: Room, user: User, client_message_id: str, text: str, asks: ModelName | None) -> Message:
        draft = Message(new_id(), room.id, 0, "person", person(user), text, now(), client_message_id)
        answering = None if asks is None else await self.assistant.admit(room, draft, user, asks)
        drafts = [draft] if answering is None else [draft, answering.message]
        try:
            message, *_ = await self._post(room, drafts, answering, key=client_message_id)
        except IntegrityError:
            known = await self._store.messages.sent(user.id, client_message_id)  # from before a restart
            if known is None:
                raise self._not_stored(room) from None
            return _same(known, room, text)
        self.typing_people.ended(room, person(user))
        return message

    async def _post(
        self, room: Room, drafts: Sequence[Message], answering: Answering | None, key: str | None = None
    ) -> Sequence[Message]:
        """Store and tell messages; the last is the empty answer of `answering`, if there is one, whose run begins."""
        page = self._page(room)

        async def tell(messages: Sequence[Message]) -> Sequence[Message]:
            if answering is not None:
                *asked, answering.message = messages
                answering.question = asked[0] if asked else answering.question
                messages = [*asked, await self.assistant.begin(answering, key=key)]
            try:
                for message in messages:
                    await page.receive_message(message)
            finally:
                if answering is not None:
                    answering.told.set()
            return messages

        try:
            posted = await self.journal.post(room, drafts, tell)
        except (HubError, IntegrityError):
            if answering is not None:
                await self.assistant.give_up(answering)
            raise
        self.news.rooms()
        return posted

    async def _allow(self, action: str, run: RunInfo, caller: Caller) -> bool:
        """Who may do what with an answer: whoever sees its room may read it; stop it who is there, and who asked."""
        room, user_id = self.rooms.get(run.room or ""), caller.user_id or ""
        if room is None or not room.is_visible_to(user_id):
            return False
        if action != "stop" or run.starter == user_id:
            return True
        user = self.people.named(user_id)
        return user is not None and room.has(person(user), self.people)

    def _page(self, room: Room) -> ChatClient:
        return self._pages().clients.group(room.group)

    def _not_stored(self, room: Room) -> HubError:
        """The database contradicts: mostly because the room was deleted while something was said in it."""
        return HubError("The message could not be stored." if self.rooms.has(room) else "This room does not exist.")

    def _welcome(self, room: Room, user: User) -> Message:
        text = f"Welcome to {room.name}, {user.name}! Begin a message with @ai to ask the assistant."
        return Message(new_id(), room.id, 0, "system", Person("system", "System", "system"), text, now())


def _model_for(user: User, message: Message) -> ModelName:
    """The model of an answer, if it is still this person's to ask."""
    return message.answer.model if message.answer is not None and user.tier == "premium" else "standard"


def _same(message: Message, room: Room, text: str) -> Message:
    if (message.room_id, message.text) != (room.id, text):
        raise HubError("Another message was sent under this message's id.")
    return message
