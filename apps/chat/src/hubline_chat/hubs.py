"""The hub at `/chatHub`: what pages can call. It only translates; what happens is in `chat.py`."""

from datetime import UTC, datetime

from hubline import HubError, Identity, PolicyContext, authorize, filtered
from hubline.limits import RateLimit
from hubline.runs import RunsHub
from hubline_chat.answering import now
from hubline_chat.chat import Chat
from hubline_chat.contract import ChatClient, Earlier, Entered, Joined, Message, ModelName, Person, Room
from hubline_chat.news import ENTERED
from hubline_chat.store import Store

MESSAGES = RateLimit("120/minute", per="user", burst=60)
QUESTIONS = RateLimit("20/minute", per="user", burst=20)
CHANGES = RateLimit("30/minute", per="user", burst=20)
LOOKS = RateLimit("10/second", per="user", burst=60)
SIGNED_OUT = "Your session has ended. Sign in again."


@authorize
class ChatHub(RunsHub[ChatClient]):
    """`enter` comes first on every connection; until then every other method is refused, but those of the base."""

    def __init__(self, chat: Chat, store: Store) -> None:
        self._chat, self._store = chat, store
        self.hubline_runs = chat.assistant.runs

    async def on_connected(self) -> None:
        """Tie the connection to its session: first the tie, then the look whether the session has ended meanwhile."""
        await self._tie()

    async def on_authentication_refreshed(self) -> None:
        """The page has brought a newer token: perhaps of another session, when the same person has signed in again."""
        await super().on_authentication_refreshed()
        await self._tie()

    async def enter(self) -> Entered:
        """Take part. Who it is says the token."""
        entered = await self._chat.enter(self._me, str(self._identity.user_id))
        await self.groups.add(self._me, ENTERED)
        return entered

    @filtered(LOOKS)
    async def join_room(self, room_id: str, since: int | None = None) -> Joined:
        """Be in a room and hear what is said there. `since`: the last message the page knows, to get what it missed."""
        # First the group, then the look at the room: so nothing that is told falls between them.
        group = self._chat.room(self._me, room_id).group
        await self.groups.add(self._me, group)
        greet = since is None and not self.context.items.setdefault("greeted", False)
        self.context.items["greeted"] = True
        try:
            return self._chat.join(self._me, room_id, since, greet=greet)
        except HubError:  # the person was removed meanwhile
            await self.groups.remove(self._me, group)
            raise

    async def leave_room(self, room_id: str) -> None:
        await self.groups.remove(self._me, self._chat.leave(self._me, room_id).group)

    @filtered(CHANGES)
    async def create_room(self, name: str, is_private: bool = False) -> Room:
        room = await self._chat.create_room(self._me, name, is_private=is_private)
        return room.info(self._chat.people)

    @filtered(CHANGES)
    async def add_member(self, room_id: str, name: str) -> Room:
        room = await self._chat.add_member(self._me, room_id, name)
        return room.info(self._chat.people)

    @filtered(CHANGES)
    async def remove_member(self, room_id: str, person_id: str) -> Room:
        """Take somebody out of a private room, or leave it for good."""
        room = await self._chat.remove_member(self._me, room_id, person_id)
        return room.info(self._chat.people)

    @filtered(LOOKS)
    async def find_people(self, text: str) -> list[Person]:
        return await self._chat.find_people(self._me, text)

    @filtered(MESSAGES)
    async def send_message(self, room_id: str, client_message_id: str, text: str) -> Message:
        """Say something. Repeating it with the same id, as pages do after a reconnect, says it once."""
        return await self._chat.say(self._me, room_id, client_message_id, text)

    @authorize(policy="PremiumUser")
    @filtered(QUESTIONS)
    async def ask(self, room_id: str, client_message_id: str, prompt: str, model: ModelName = "standard") -> Message:
        """Ask the assistant; the question is shown to the room, and the answer follows."""
        return await self._chat.ask(self._me, room_id, client_message_id, prompt, model)

    @filtered(QUESTIONS)
    async def retry_answer(self, message_id: str) -> Message:
        """A new answer to the same question."""
        return await self._chat.retry(self._me, message_id)

    @filtered(QUESTIONS)
    async def go_on(self, message_id: str) -> None:
        """Let an answer that was cut go on from where it stopped."""
        await self._chat.go_on(self._me, message_id)

    @filtered(LOOKS)
    async def typing(self, room_id: str) -> None:
        self._chat.typing(self._me, room_id)

    @filtered(LOOKS)
    async def load_earlier(self, room_id: str, before_seq: int) -> Earlier:
        return self._chat.earlier(self._me, room_id, before_seq)

    async def ping(self) -> datetime:
        """The server's time; pages measure how long the way is."""
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


class PremiumUser:
    """The policy of `ask`: whom the premium model answers. Asked of the tier as it is now, not of the token's."""

    def __init__(self, chat: Chat) -> None:
        self._chat = chat

    def __call__(self, call: PolicyContext) -> bool:
        """Raises HubError, so that the page has a sentence to show."""
        if call.arguments["model"] != "premium":
            return True
        user = self._chat.people.named(str(call.identity.user_id))
        if user is None or user.tier != "premium":
            raise HubError("Premium answers are for premium accounts. An administrator can make yours one.")
        return True
