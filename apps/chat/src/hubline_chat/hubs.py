"""The hub at `/chatHub`: the methods that pages can call. The work is in `chat.py`."""

from datetime import UTC, datetime
from hashlib import sha256

from hubline import HubError, Identity, PolicyContext, authorize, filtered
from hubline.limits import RateLimit
from hubline.rooms import JoinOptions, RoomsHub
from hubline.rooms.items import RoomJoined
from hubline.runs import RunsHub
from hubline_chat.answering import now
from hubline_chat.chat import Chat
from hubline_chat.client import ChatClient
from hubline_chat.contract import (
    Around,
    Earlier,
    Entered,
    Later,
    Message,
    Opened,
    Person,
    Room,
    RoomState,
    SearchResult,
    Version,
)
from hubline_chat.news import ENTERED
from hubline_chat.said import Said
from hubline_chat.store import Store

MESSAGES = RateLimit("120/minute", per="user", burst=60)
QUESTIONS = RateLimit("20/minute", per="user", burst=20)
CHANGES = RateLimit("30/minute", per="user", burst=20)
LOOKS = RateLimit("10/second", per="user", burst=60)
SEARCHES = RateLimit("60/minute", per="user", burst=20)
SIGNED_OUT = "Your session has ended. Sign in again."


@authorize
class ChatHub(RunsHub[ChatClient], RoomsHub[ChatClient]):
    """Every connection must call `enter` first; until then only the methods of runs are allowed."""

    def __init__(self, chat: Chat, store: Store) -> None:
        self._chat, self._store = chat, store
        self.hubline_runs, self.hubline_rooms = chat.assistant.runs, chat.presence

    async def on_connected(self) -> None:
        """Bind the connection to its session first, and then check whether the session has ended meanwhile."""
        await self._tie()

    async def on_authentication_refreshed(self) -> None:
        """The page has brought a newer token: perhaps of another session, when the same person has signed in again."""
        await super().on_authentication_refreshed()
        await self._tie()

    async def enter(self) -> Entered:
        """Take part, as the person of the token."""
        entered = await self._chat.enter(self._me, str(self._identity.user_id))
        await self.groups.add(self._me, ENTERED)
        return entered

    @filtered(LOOKS)
    async def open_room(self, room_id: str, since: int | None = None, heard: datetime | None = None) -> Opened:
        """Receive the messages of a room, until it is left. `since`: the last one of the page, to get what it missed.

        `heard`: the newest time in the messages of the page, to get the earlier ones that have changed since.
        """
        # The group first, then the state of the room, so that no message is lost in between.
        group = self._chat.room(self._me, room_id).group
        await self.groups.add(self._me, group)
        try:
            return await self._chat.open(self._me, room_id, since, heard)
        except HubError:  # the person was removed meanwhile
            await self.groups.remove(self._me, group)
            raise

    @filtered(LOOKS)
    async def join_room(self, room: str, since: str | None = None, options: JoinOptions | None = None) -> RoomJoined:
        """Be there, under the name of the account and with the device of the session, whatever the page says."""
        state, session = {"name": self._chat.people.user(self._me).name}, str(self._identity.claims["sid"])
        device = sha256(session.encode()).hexdigest()[:12]
        return await super().join_room(room, None, JoinOptions(device, state, history=0))

    @filtered(LOOKS)
    async def leave_room(self, room: str) -> None:
        group = self._chat.room(self._me, room).group
        await super().leave_room(room)
        await self.groups.remove(self._me, group)

    @filtered(LOOKS)
    async def signal_room(self, room: str, kind: str, value: object = None) -> None:
        """The person writes: there is no other signal."""
        await super().signal_room(room, "typing")

    async def set_room_state(self, room: str, state: object) -> None:
        """Raises HubError: names are those of accounts."""
        raise HubError("Your name is that of your account.")

    @filtered(CHANGES)
    async def create_room(self, name: str, is_private: bool = False) -> Room:
        room = await self._chat.room_changes.create(self._me, name, is_private=is_private)
        return await self._chat.info(room)

    @filtered(CHANGES)
    async def create_conversation(self) -> Room:
        """A private conversation with the assistant; one in which nothing was said is given again."""
        return await self._chat.info(await self._chat.room_changes.converse(self._me))

    @filtered(CHANGES)
    async def create_pair(self, person_id: str) -> Room:
        """The conversation with another person, which only the two see; a new one if there is none."""
        return await self._chat.info(await self._chat.room_changes.pair(self._me, person_id))

    @filtered(CHANGES)
    async def change_room(self, room_id: str, name: str, topic: str) -> Room:
        """Another name and topic for a room, by its owner or an administrator."""
        room = await self._chat.room_changes.change(self._me, room_id, name, topic)
        return await self._chat.info(room)

    @filtered(CHANGES)
    async def archive_room(self, room_id: str, is_archived: bool) -> Room:
        """Archive a room, so that it can only be read, or open it again; by its owner or an administrator."""
        room = await self._chat.room_changes.archive(self._me, room_id, is_archived)
        return await self._chat.info(room)

    @filtered(CHANGES)
    async def retain_messages(self, room_id: str, days: int | None) -> Room:
        """Delete the messages of a room after so many days, by its owner or an administrator. `None`: as the server."""
        room = await self._chat.room_changes.retain(self._me, room_id, days)
        return await self._chat.info(room)

    @filtered(CHANGES)
    async def instruct_assistant(self, room_id: str, prompt: str) -> Room:
        """What the assistant is told in a room before everything else, by its owner or an administrator."""
        room = await self._chat.room_changes.instruct(self._me, room_id, prompt)
        return await self._chat.info(room)

    @filtered(CHANGES)
    async def choose_model(self, room_id: str, model_id: str) -> Room:
        """The model that answers in a room, for all who may use it. Guests choose only in rooms of their own."""
        room = await self._chat.room_changes.choose(self._me, room_id, model_id)
        return await self._chat.info(room)

    @filtered(CHANGES)
    async def delete_room(self, room_id: str) -> None:
        """Delete a room with everything in it, as its owner or an administrator."""
        await self._chat.room_changes.delete(self._me, room_id)

    @filtered(CHANGES)
    async def add_member(self, room_id: str, name: str) -> Room:
        room = await self._chat.room_changes.add_member(self._me, room_id, name)
        return await self._chat.info(room)

    @filtered(CHANGES)
    async def remove_member(self, room_id: str, person_id: str) -> Room:
        """Remove a person from a private room, or leave it for good."""
        room = await self._chat.room_changes.remove_member(self._me, room_id, person_id)
        return await self._chat.info(room)

    @filtered(LOOKS)
    async def find_people(self, text: str) -> list[Person]:
        return await self._chat.find_people(self._me, text)

    @filtered(MESSAGES)
    async def send_message(
        self,
        room_id: str,
        client_message_id: str,
        text: str,
        files: list[str] | None = None,
        reply_to: str | None = None,
    ) -> Message:
        """Post a message. If it is repeated with the same id, as pages do after a reconnect, it is posted once.

        `files`: ids of uploads of this person for this room. `reply_to`: the id of a message of the room.
        """
        return await self._chat.say(self._me, room_id, client_message_id, Said(text, files or (), reply_to))

    @authorize(policy="MayUseModel")
    @filtered(QUESTIONS)
    async def ask(
        self,
        room_id: str,
        client_message_id: str,
        prompt: str,
        model: str | None = None,
        files: list[str] | None = None,
        reply_to: str | None = None,
    ) -> Message:
        """Ask the assistant, by default the room's model; the question is shown to the room, and the answer follows.

        The rest is as for a message.
        """
        said = Said(prompt, files or (), reply_to)
        return await self._chat.ask(self._me, room_id, client_message_id, said, model)

    @filtered(QUESTIONS)
    async def retry_answer(self, message_id: str) -> Message:
        """A new answer to the same question, in the place of the old one, which is kept as a version."""
        return await self._chat.editing.retry(self._me, message_id)

    @filtered(LOOKS)
    async def answer_version(self, message_id: str, number: int) -> Version:
        """An earlier version of an answer; they are counted from 1."""
        return await self._chat.editing.version(self._me, message_id, number)

    @filtered(MESSAGES)
    async def edit_message(self, message_id: str, text: str, ask_again: bool = False) -> Message:
        """Give a message of one's own another text. `ask_again`: let the assistant answer it anew."""
        return await self._chat.editing.edit(self._me, message_id, text, ask_again=ask_again)

    @filtered(CHANGES)
    async def delete_message(self, message_id: str) -> None:
        """Delete a message of one's own, or any as the owner of the room or an administrator."""
        await self._chat.editing.delete(self._me, message_id)

    @filtered(MESSAGES)
    async def react(self, message_id: str, emoji: str, is_on: bool) -> Message:
        """React to a message with one of `attached.EMOJI`, or take it back. Repeating it changes nothing."""
        return await self._chat.editing.react(self._me, message_id, emoji, is_on=is_on)

    @filtered(QUESTIONS)
    async def go_on(self, message_id: str) -> None:
        """Let an interrupted answer continue where it stopped."""
        await self._chat.editing.go_on(self._me, message_id)

    @filtered(LOOKS)
    async def load_earlier(self, room_id: str, before_seq: int) -> Earlier:
        return await self._chat.earlier(self._me, room_id, before_seq)

    @filtered(LOOKS)
    async def load_around(self, room_id: str, message_id: str) -> Around:
        """A message with those before and after it, wherever in the room's history it is."""
        places, room = self._chat.places, self._chat.room(self._me, room_id)
        around = await places.around(room, message_id)
        self._chat.room(self._me, room_id)  # the person may have been removed meanwhile
        return around

    @filtered(LOOKS)
    async def load_later(self, room_id: str, after_seq: int) -> Later:
        later = await self._chat.places.later(self._chat.room(self._me, room_id), after_seq)
        self._chat.room(self._me, room_id)
        return later

    @filtered(LOOKS)
    async def room_state(self, room_id: str) -> RoomState:
        """Why the address of a room shows nothing. Ids of private rooms cannot be guessed: who asks has had a link."""
        user_id, room = self._chat.people.who(self._me).id, self._chat.rooms.get(room_id)
        if room is None:
            return "gone"
        return "open" if room.is_visible_to(user_id) else "private"

    @filtered(SEARCHES)
    async def search(self, text: str, room_id: str | None = None, skip: int = 0) -> SearchResult:
        """Messages with all these words and "phrases", in one room or in all that the person may read."""
        return await self._chat.search.find(self._chat.people.who(self._me).id, text, room_id, skip)

    @filtered(LOOKS)
    async def mark_read(self, room_id: str, seq: int) -> None:
        """The person has read a room up to the message `seq`. Marks only rise."""
        room = self._chat.room(self._me, room_id)
        await self._chat.marks.read(self._chat.people.who(self._me).id, room, seq)

    async def ping(self) -> datetime:
        """The server's time; pages measure the round trip with it."""
        return now()

    async def on_disconnected(self, error: Exception | None) -> None:
        self._chat.disconnected(self._me)

    async def _tie(self) -> None:
        session_id = str(self._identity.claims["sid"])
        self._chat.people.connected(self._me, session_id, self.context.abort)
        if not await self._store.sessions.alive(session_id, datetime.now(UTC)):
            self.context.abort()

    @property
    def _me(self) -> str:
        return self.context.connection_id

    @property
    def _identity(self) -> Identity:
        identity = self.context.identity
        if identity is None:
            raise HubError(SIGNED_OUT)
        return identity


class MayUseModel:
    """The policy of `ask`: who may use the model it names. It checks the present tier, not that of the token."""

    def __init__(self, chat: Chat) -> None:
        self._chat = chat

    def __call__(self, call: PolicyContext) -> bool:
        """Raises HubError, so that the page has a sentence to show."""
        model, user = call.arguments["model"], self._chat.people.named(str(call.identity.user_id))
        if model is not None and user is not None:
            self._chat.assistant.models.chosen(user, model)
        return model is None or user is not None
