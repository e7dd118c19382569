"""News for the pages: what changed, told to those whom it concerns, when the newest is enough."""

from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from hubline import GroupManager
from hubline_chat.contract import ChatClient, Message
from hubline_chat.notices import Notices
from hubline_chat.people import me
from hubline_chat.rooms import Room

if TYPE_CHECKING:
    from hubline_chat.chat import Chat

ENTERED = "entered"
"""The hub group of every connection that has entered."""


class Clients(Protocol):
    """The pages that are connected: what `hubline.HubClients` offers, as far as it is needed here."""

    def group(self, name: str) -> ChatClient: ...

    def client(self, connection_id: str) -> ChatClient: ...

    def user(self, user_id: str) -> ChatClient: ...

    def users(self, user_ids: list[str]) -> ChatClient: ...


class Pages(Protocol):
    """Pages and their groups: what `hubline.HubContext` offers."""

    @property
    def clients(self) -> Clients: ...

    @property
    def groups(self) -> GroupManager: ...


class News:
    """Each method notes that something changed; what is told is how it is when it goes out."""

    def __init__(self, chat: "Chat", pages: Callable[[], Pages]) -> None:
        self.notices = Notices()
        self._chat, self._pages = chat, pages

    def assistant(self) -> None:
        page = self._pages().clients.group(ENTERED)
        self.notices.post("assistant", lambda: page.assistant_changed(self._chat.assistant.info))

    def welcome(self, connection_id: str, note: Message) -> None:
        page = self._pages().clients.client(connection_id)
        self.notices.post(("welcome", connection_id), lambda: page.receive_message(note))

    def people(self, room: Room) -> None:
        """Somebody has come or gone."""
        page = self._pages().clients.group(room.group)
        self.notices.post(("people", room.id), lambda: page.people_changed(room.id, self._chat.people_in(room)))
        self.rooms()

    def typing(self, room: Room) -> None:
        page, typing = self._pages().clients.group(room.group), self._chat.typing_people
        self.notices.post(("typing", room.id), lambda: page.typing_changed(room.id, typing.names(room)))

    def rooms(self) -> None:
        """The list of rooms is another one."""
        self.notices.post("rooms", self._tell_rooms)

    def budget(self, user_id: str) -> None:
        """Somebody has used tokens."""
        self.notices.post(("budget", user_id), lambda: self._tell_budget(user_id))

    def account(self, user_id: str) -> None:
        """Somebody's role or tier is another one, and with it the budget."""
        self.notices.post(("account", user_id), lambda: self._tell_account(user_id))
        self.budget(user_id)

    async def _tell_rooms(self) -> None:
        """To each user the rooms that this user can see; those who can see the same are told together."""
        chat = self._chat
        audiences: defaultdict[frozenset[str], list[str]] = defaultdict(list)
        for user in chat.people.present():
            audiences[chat.rooms.private_of(user.id)].append(user.id)
        clients = self._pages().clients
        for private, users in audiences.items():
            await clients.users(users).rooms_changed(chat.rooms.list(private, chat.people))

    async def _tell_budget(self, user_id: str) -> None:
        user = self._chat.people.named(user_id)
        if user is not None:
            await self._pages().clients.user(user_id).budget_changed(await self._chat.allowance.budget(user))

    async def _tell_account(self, user_id: str) -> None:
        user = self._chat.people.named(user_id)
        if user is not None:
            await self._pages().clients.user(user_id).account_changed(me(user))
