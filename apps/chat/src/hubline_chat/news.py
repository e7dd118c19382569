"""News for the pages: changes of which only the newest counts, sent to the users whom they concern."""

from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from hubline import GroupManager
from hubline_chat.client import ChatClient
from hubline_chat.contract import Message
from hubline_chat.notices import Notices
from hubline_chat.people import me
from hubline_chat.room import is_listed

if TYPE_CHECKING:
    from hubline_chat.chat import Chat

ENTERED = "entered"
"""The hub group of every connection that has entered."""


class Clients(Protocol):
    """The connected pages: the used part of `hubline.HubClients`."""

    def group(self, name: str) -> ChatClient: ...

    def client(self, connection_id: str) -> ChatClient: ...

    def user(self, user_id: str) -> ChatClient: ...

    def users(self, user_ids: list[str]) -> ChatClient: ...

    def latest(self, key: str) -> "Clients": ...


class Pages(Protocol):
    """Pages and their groups: the used part of `hubline.HubContext`."""

    @property
    def clients(self) -> Clients: ...

    @property
    def groups(self) -> GroupManager: ...


class News:
    """Each method records a change. The state at the time of sending is sent.

    What is sent again and again has a key: a page that reads slowly gets only the newest.
    """

    def __init__(self, chat: "Chat", pages: Callable[[], Pages]) -> None:
        self.notices = Notices()
        self._chat, self._pages = chat, pages

    def assistant(self) -> None:
        page = self._pages().clients.group(ENTERED)
        self.notices.post("assistant", lambda: page.assistant_changed(self._chat.assistant.info))

    def welcome(self, connection_id: str, note: Message) -> None:
        page = self._pages().clients.client(connection_id)
        self.notices.post(("welcome", connection_id), lambda: page.receive_message(note))

    def rooms(self) -> None:
        """The list of rooms has changed, or who is there."""
        self.notices.post("rooms", self._tell_rooms)

    def budget(self, user_id: str) -> None:
        """A user has used tokens."""
        self.notices.post(("budget", user_id), lambda: self._tell_budget(user_id))

    def account(self, user_id: str) -> None:
        """A user's role or tier has changed, and so has the budget."""
        self.notices.post(("account", user_id), lambda: self._tell_account(user_id))
        self.budget(user_id)

    async def _tell_rooms(self) -> None:
        """Send each user the rooms that this user can see; users who see the same rooms get one message."""
        chat = self._chat
        audiences: defaultdict[frozenset[str], list[str]] = defaultdict(list)
        for user in chat.people.present():
            audiences[chat.rooms.private_of(user.id)].append(user.id)
        clients = self._pages().clients.latest("rooms")
        rooms = await chat.listed(frozenset().union(*audiences))
        for private, users in audiences.items():
            await clients.users(users).rooms_changed([each for each in rooms if is_listed(each, private)])

    async def _tell_budget(self, user_id: str) -> None:
        user = self._chat.people.named(user_id)
        if user is not None:
            await self._pages().clients.user(user_id).budget_changed(await self._chat.allowance.budget(user))

    async def _tell_account(self, user_id: str) -> None:
        user = self._chat.people.named(user_id)
        if user is not None:
            await self._pages().clients.user(user_id).account_changed(me(user))
