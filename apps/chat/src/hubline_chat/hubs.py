"""The hub at `/chatHub`: what pages can call. It only translates; what happens is in `chat.py`."""

from datetime import datetime

from hubline import Hub
from hubline_chat.answering import now
from hubline_chat.chat import ENTERED, Chat
from hubline_chat.contract import ChatClient, Earlier, Entered, Joined, Message, Room


class ChatHub(Hub[ChatClient]):
    """`enter` comes first on every connection; until then every other method is refused."""

    def __init__(self, chat: Chat) -> None:
        self._chat = chat

    async def enter(self, name: str, client_key: str) -> Entered:
        """Say who you are. `client_key` is the browser's secret, by which a person is known again."""
        entered = self._chat.enter(self._me, name, client_key)
        await self.groups.add(self._me, ENTERED)
        return entered

    async def join_room(self, room_id: str, since: int | None = None) -> Joined:
        """Be in a room and hear what is said there. `since`: the last message the page knows, to get what it missed."""
        self._chat.people.who(self._me)
        # First the group, then the look at the room: so no piece of an answer falls between them.
        await self.groups.add(self._me, self._chat.rooms.find(room_id).group)
        greet = since is None and not self.context.items.setdefault("greeted", False)
        self.context.items["greeted"] = True
        return self._chat.join(self._me, room_id, since, greet=greet)

    async def leave_room(self, room_id: str) -> None:
        self._chat.people.who(self._me)
        await self.groups.remove(self._me, self._chat.leave(self._me, room_id).group)

    async def create_room(self, name: str) -> Room:
        return self._chat.create_room(self._me, name).info(self._chat.people)

    async def send_message(self, room_id: str, client_message_id: str, text: str) -> Message:
        """Say something. Repeating it with the same id, as pages do after a reconnect, says it once."""
        return await self._chat.say(self._me, room_id, client_message_id, text)

    async def ask(self, room_id: str, client_message_id: str, prompt: str) -> Message:
        """Ask the assistant; the question is shown to the room, and the answer follows."""
        return await self._chat.ask(self._me, room_id, client_message_id, prompt)

    async def stop_answer(self, message_id: str) -> None:
        await self._chat.stop(self._me, message_id)

    async def retry_answer(self, message_id: str) -> Message:
        """A new answer to the same question."""
        return await self._chat.retry(self._me, message_id)

    async def typing(self, room_id: str) -> None:
        self._chat.typing(self._me, room_id)

    async def load_earlier(self, room_id: str, before_seq: int) -> Earlier:
        return self._chat.earlier(self._me, room_id, before_seq)

    async def ping(self) -> datetime:
        """The server's time; pages measure how long the way is."""
        return now()

    async def on_disconnected(self, error: Exception | None) -> None:
        self._chat.disconnected(self._me)

    @property
    def _me(self) -> str:
        return self.context.connection_id
