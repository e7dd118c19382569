"""The operations of the chat, for the methods of the hub: people, rooms, messages, and the news about them."""

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime
from importlib.metadata import version
from typing import Literal

from sqlalchemy.exc import IntegrityError

from hubline import HubError
from hubline.rooms import Rooms as Presence
from hubline.runs import Caller, RunInfo
from hubline_chat import contract
from hubline_chat.allowance import Allowance
from hubline_chat.answering import RESTARTED, Answering, new_id, now
from hubline_chat.around import Places
from hubline_chat.assistant import Assistant
from hubline_chat.catalogue import Catalogue
from hubline_chat.clearing import Clearing
from hubline_chat.client import ChatClient
from hubline_chat.contract import Earlier, Entered, Message, Opened, Person, Server
from hubline_chat.editing import Editing
from hubline_chat.files.choice import storage_of
from hubline_chat.files.material import Material
from hubline_chat.files.service import MEGABYTE, Files
from hubline_chat.journal import Journal
from hubline_chat.limits import check_id, clean_text
from hubline_chat.marks import Marks
from hubline_chat.news import News, Pages
from hubline_chat.past import Past
from hubline_chat.people import People, found_people, me, person
from hubline_chat.removals import Removals
from hubline_chat.room import Room, is_listed
from hubline_chat.room_changes import RoomChanges
from hubline_chat.rooms import Rooms
from hubline_chat.said import Asking, Said, Sent, same
from hubline_chat.search import Search
from hubline_chat.settings import ChatSettings
from hubline_chat.store import Store, StoreError, User
from hubline_chat.tools.calculator import CALCULATOR
from hubline_chat.tools.mcp_servers import McpServers
from hubline_chat.tools.room_search import room_search
from hubline_chat.tools.toolbox import Provided, Toolbox

GRACE_SECONDS = 5.0
"""Who is cut is in the room for so long, and has not left when the page comes back: it tries at once, and then soon."""
SENT_KEPT = 500
"""Sent messages that are remembered by the ids of their pages, so that a repeated one is not posted twice."""


class Chat:
    """One chat server's state: the store, and the people who are here.

    `pages` is called only to send. `servers` give the assistant tools beside those of the chat.
    """

    def __init__(
        self, models: Catalogue, settings: ChatSettings, store: Store, pages: Callable[[], Pages], servers: McpServers
    ) -> None:
        instance, most = secrets.token_urlsafe(8), settings.file_megabytes * MEGABYTE
        self.server = Server(version("hubline"), instance, settings.retention_days, most)
        self.people = People()
        self.presence = Presence(self._may, grace=GRACE_SECONDS, on_presence=lambda *_: self.news.rooms())
        self.rooms = Rooms(store, history_messages=settings.history_messages, per_person=settings.rooms_per_person)
        self.journal = Journal(store.messages)
        self.past = Past(self.rooms, store.messages, self.journal)
        self.places = Places(store.messages, self.journal, self.past)
        self.search = Search(self.rooms, store.search)
        self.files = Files(self.rooms, store.files, storage_of(settings), settings.files_directory / "tmp", settings)
        self._tools: Provided = lambda: [CALCULATOR, room_search(self.search), *servers.tools()]
        self.allowance = Allowance(
            store.usage, settings, lambda user_id: self.news.budget(user_id), has_prices=models.has_prices
        )
        self.assistant = Assistant(
            models,
            settings,
            self.allowance,
            self.journal,
            self.past,
            store.versions,
            allow=self._allow,
            tell=self.tell_changed,
            clear=Clearing(self.rooms, store, self.history_cleared),
            material=Material(self.files.storage),
            toolbox=Toolbox(self._tools, servers.tried, store, lambda: self.assistant.save()),
        )
        self.news = News(self, pages)
        self.marks = Marks(self.rooms, store, pages)
        self.room_changes = RoomChanges(self, store, pages)
        self.editing = Editing(self, store, self._post)
        self.removals = Removals(self, store, pages)
        self._store, self._pages = store, pages
        self._sent: OrderedDict[Sent, asyncio.Future[Message]] = OrderedDict()

    async def load(self) -> None:
        """Read the stored messages; answers that were running are marked as ended."""
        await self._store.messages.interrupt(RESTARTED)
        await self.rooms.load()

    async def finish(self) -> None:
        """Accept nothing more and finish what was begun, because the server stops. May be called again."""
        await self.journal.close()
        await self.marks.save()
        await self.assistant.runs.drain()  # pages get the end of their answers before they are disconnected

    def set_model_state(self, state: Literal["starting", "ready", "failed"], detail: str | None) -> None:
        """Store the status of the model, and send it to everybody."""
        self.assistant.set_state(state, detail)
        self.news.assistant()

    async def enter(self, connection_id: str, user_id: str) -> Entered:
        """Connect a person: register the connection with the user of its token."""
        while True:
            changes, user = self.people.changes, await self._store.users.get(user_id)
            if user is None or user.is_disabled:
                raise HubError("Your session has ended. Sign in again.")
            budget, reads = await self.allowance.budget(user), await self.marks.of(user.id)
            if changes == self.people.changes:  # otherwise it may have been this one, who had another role when read
                break
        self.people.enter(connection_id, user)
        rooms = await self.listed(self.rooms.private_of(user.id))
        return Entered(me(user), rooms, reads, self.assistant.info, budget, self.server)

    async def open(self, connection_id: str, room_id: str, since: int | None, heard: datetime | None = None) -> Opened:
        """The messages of a room that a page missed, after it has joined the hub group.

        `heard`: when the page heard of the room last, to get the changes of what it has. Raises HubError.
        """
        info = await self.info(self.room(connection_id, room_id))
        user = self.people.user(connection_id)  # who may have been removed meanwhile
        room = self.rooms.find(room_id, user.id)
        continued = None if since is None else room.history.after(since)
        messages, has_more = room.history.newest() if continued is None else (continued, True)
        has_more = has_more or not room.history.is_whole
        if user.id in self.marks.newcomers and not room.is_conversation and not room.is_pair:
            self.marks.newcomers.discard(user.id)
            self.news.welcome(connection_id, self._welcome(room, user))
        return Opened(
            info,
            [message.at(now()) for message in messages],
            has_more,
            reset=since is not None and continued is None,
            changed=[] if since is None or heard is None else self.past.changed(room, since, heard),
            cleared_before=room.history.cleared_before,
            prompt=room.prompt,
        )

    def disconnected(self, connection_id: str) -> None:
        self.people.leave(connection_id)
        self.news.rooms()  # members of private rooms are online or not

    async def say(self, connection_id: str, room_id: str, client_message_id: str, said: Said) -> Message:
        """Post a message; one that mentions the assistant, or is posted in its room, is a question to it too."""
        room, is_mention = self.room(connection_id, room_id), self.assistant.asked(said.text) is not None
        asks = Asking(is_needed=is_mention) if room.asks or is_mention else None
        return await self._send(connection_id, room_id, client_message_id, said, asks)

    async def ask(
        self, connection_id: str, room_id: str, client_message_id: str, said: Said, model: str | None
    ) -> Message:
        return await self._send(connection_id, room_id, client_message_id, said, Asking(model))

    async def earlier(self, connection_id: str, room_id: str, before_seq: int) -> Earlier:
        room = self.room(connection_id, room_id)
        messages, has_more = await self.past.before(room, before_seq)
        self.room(connection_id, room_id)  # the person may have been removed meanwhile
        return Earlier([message.at(now()) for message in messages], has_more)

    async def history_cleared(self, room: Room, before: int) -> None:
        """Tell a room that what was said before a number is gone."""
        await self._page(room).history_cleared(room.id, before)

    async def tell_changed(self, room: Room, message: Message) -> None:
        """Tell a room of the newer form of a message."""
        room.history.requote(message)
        await self._page(room).message_changed(message)

    async def find_people(self, connection_id: str, text: str) -> list[Person]:
        """People with an account, and guests who are here, by the beginning of their names."""
        self.people.who(connection_id)
        return await found_people(self._store.users, self.people, text)

    def room(self, connection_id: str, room_id: str) -> Room:
        """A room that the person behind a connection can see. Raises HubError."""
        return self.rooms.find(room_id, self.people.who(connection_id).id)

    async def info(self, room: Room) -> contract.Room:
        """A room as pages show it in the list."""
        return room.info(self.people, await self.presence.count(room.id))

    async def listed(self, private: Collection[str]) -> list[contract.Room]:
        """The rooms that everybody can see, and these private ones."""
        return [await self.info(room) for room in self.rooms.all() if is_listed(room, private)]

    async def sessions_ended(self, session_ids: Collection[str]) -> None:
        """Cut the connections of these sessions, and no others. They leave their rooms without a time of grace."""
        ended = self.people.forget(session_ids)
        try:
            for user_id in {line.user_id for line in ended if line.user_id is not None}:
                await self.presence.recheck(user_id)
        finally:
            for line in ended:
                line.cut()

    async def account_changed(self, user: User) -> None:
        if self.people.change(user):
            self.news.account(user.id)

    async def account_deleted(self, user: User) -> None:
        await self.room_changes.forget(user)

    async def account_removed(self, user: User, *, erase: bool) -> None:
        await self.removals(user, erase=erase)

    async def _send(
        self, connection_id: str, room_id: str, client_message_id: str, said: Said, asks: Asking | None
    ) -> Message:
        """Post a message once, however often the page sends it."""
        user = self.people.user(connection_id)
        room = self.rooms.find(room_id, user.id)
        check_id(client_message_id)
        said = replace(said, text=clean_text(said.text, may_be_empty=bool(said.files)))
        key = user.id, client_message_id
        known = self._sent.get(key)
        if known is not None:
            message = same(await asyncio.shield(known), room, said)
            return await self.past.question(room, message.id) or message  # as it is now: edited or deleted, perhaps
        sent = self._sent[key] = asyncio.get_running_loop().create_future()
        try:
            message = await self._say(room, user, client_message_id, said, asks)
        except BaseException as error:
            self._sent.pop(key, None)
            sent.set_exception(error if isinstance(error, HubError) else HubError("The message could not be stored."))
            sent.exception()  # no task may be waiting for it
            raise
        sent.set_result(message)
        if len(self._sent) > SENT_KEPT:
            self._sent.popitem(last=False)
        return message

    async def _say(self, room: Room, user: User, client_message_id: str, said: Said, asks: Asking | None) -> Message:
        room.check_open()
        files, quote = await self.files.chosen(user, room, said.files), await self.past.quote(room, said.reply_to)
        draft = Message(new_id(), room.id, 0, "person", person(user), said.text, now(), client_message_id)
        draft = replace(draft, files=files, quote=quote)
        mentioned = await self.marks.mentioned(room, draft)
        answering, refusal = await self._admit(room, draft, user, asks)
        drafts = [draft] if answering is None else [draft, answering.message]
        try:
            message, *_ = await self._post(room, drafts, answering, key=client_message_id, mentioned=mentioned)
        except IntegrityError:
            known = await self._store.messages.sent(user.id, client_message_id)  # from before a restart
            if known is None:
                raise self._not_stored(room) from None
            return same(known, room, said)
        await self.room_changes.begun(room, said.text or " ".join(file.name for file in files))
        if refusal is not None:
            await self._pages().clients.user(user.id).not_answered(message, refusal)
        return message

    async def _admit(
        self, room: Room, question: Message, user: User, asks: Asking | None
    ) -> tuple[Answering | None, str | None]:
        """The empty answer to a message, if it is a question; or why it is not answered.

        Raises:
            HubError: it asks the assistant expressly, and cannot be answered.
        """
        if asks is None:
            return None, None
        try:
            return await self.assistant.admit(room, question, user, asks.model), None
        except StoreError:
            raise
        except HubError as error:
            if asks.is_needed:
                raise
            return None, str(error)

    async def _post(
        self,
        room: Room,
        drafts: Sequence[Message],
        answering: Answering | None,
        key: str | None = None,
        mentioned: Collection[str] = (),
    ) -> Sequence[Message]:
        """Store and send messages. The last is the empty answer of `answering`, if there is one; its run begins.

        `mentioned`: the ids of the people whom the first message mentions.
        """
        page = self._page(room)

        async def tell(messages: Sequence[Message]) -> Sequence[Message]:
            if answering is not None:
                *asked, answering.message = messages
                answering.question = asked[0] if asked else answering.question
                messages = [*asked, await self.assistant.begin(answering, key=key)]
            try:
                await self.marks.posted(room, messages[0], mentioned)
                for message in messages:
                    await page.receive_message(message)
                await self.marks.tell(messages[0], mentioned)
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
        """The rights to an answer: all who see its room may read it; those in the room and the asker may stop it."""
        room, user_id = self.rooms.get(run.room or ""), caller.user_id or ""
        if room is None or not room.is_visible_to(user_id):
            return False
        if action == "stop" and run.starter != user_id:
            return any(member.user == user_id for member in await self.presence.members(room.id))
        return True

    async def _may(self, action: str, room_id: str, caller: Caller) -> bool:
        """All who see a room are told who is there, and tell that they write, where something can be written."""
        room, user = self.rooms.get(room_id), self.people.who(caller.connection_id or "")
        if room is None or not room.is_visible_to(user.id):
            return False
        return action == "join" or (action == "signal" and not room.is_archived)

    def _page(self, room: Room) -> ChatClient:
        return self._pages().clients.group(room.group)

    def _not_stored(self, room: Room) -> HubError:
        """The error for a contradiction in the database: usually the room was deleted while a message was posted."""
        return HubError("The message could not be stored." if self.rooms.has(room) else "This room does not exist.")

    def _welcome(self, room: Room, user: User) -> Message:
        system, text = Person("system", "System", "system"), room.welcome(user.name)
        return Message(new_id(), room.id, 0, "system", system, text, now())
