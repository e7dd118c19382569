"""The connected people: the session and the user of each hub connection. `Chat.presence` has their rooms."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from hubline import HubError
from hubline_chat.contract import Me, Person
from hubline_chat.store import User
from hubline_chat.store.users import Users, folded

FOUND = 8
"""People that one search finds."""


def person(user: User) -> Person:
    return Person(user.id, user.name)


@dataclass(slots=True)
class Presence:
    """A user who is here, as in the store, and the user's connections (tabs, devices)."""

    user: User
    connections: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Line:
    """A hub connection: its session, and how it is cut."""

    session_id: str
    cut: Callable[[], None]
    user_id: str | None = None


class People:
    """Everybody who has entered and is connected."""

    def __init__(self) -> None:
        self._present: dict[str, Presence] = {}
        self._lines: dict[str, Line] = {}
        self._sessions: dict[str, set[str]] = {}
        self.changes = 0
        """How often an account was changed: what was read before a change may be older than it."""

    def connected(self, connection_id: str, session_id: str, cut: Callable[[], None]) -> None:
        """Add a connection to this session, or move it to this session."""
        known = self._lines.get(connection_id)
        if known is not None:
            self._unlink(known.session_id, connection_id)
        user_id = None if known is None else known.user_id
        self._lines[connection_id] = Line(session_id, cut, user_id)
        self._sessions.setdefault(session_id, set()).add(connection_id)

    def forget(self, session_ids: Collection[str]) -> list[Line]:
        """The connections of these sessions, and no other, are nobody's any more; their owner cuts them."""
        ended = [each for session_id in session_ids for each in self._sessions.get(session_id, ())]
        lines = [self._lines[each] for each in ended]
        for connection_id in ended:
            self.leave(connection_id)
        return lines

    def enter(self, connection_id: str, user: User) -> None:
        """The person behind a connection takes part from now on."""
        line = self._lines.get(connection_id)
        if line is None:  # it was ended while the store was read
            raise HubError("Your session has ended. Sign in again.")
        line.user_id = user.id
        presence = self._present.setdefault(user.id, Presence(user))
        presence.user = user
        presence.connections.add(connection_id)

    def leave(self, connection_id: str) -> None:
        """Forget a connection, and a person whose last one it was."""
        line = self._lines.pop(connection_id, None)
        if line is None:
            return
        self._unlink(line.session_id, connection_id)
        presence = self._present.get(line.user_id or "")
        if presence is not None:
            presence.connections.discard(connection_id)
            if not presence.connections:
                del self._present[presence.user.id]

    def change(self, user: User) -> bool:
        """Store a new role or tier. Returns whether the user is here."""
        self.changes += 1
        presence = self._present.get(user.id)
        if presence is not None:
            presence.user = user
        return presence is not None

    def user(self, connection_id: str) -> User:
        """The user behind a connection, with role and tier as they are now.

        Raises:
            HubError: the connection has not entered.
        """
        line = self._lines.get(connection_id)
        if line is None or line.user_id is None:
            raise HubError("Enter first.")
        return self._present[line.user_id].user

    def who(self, connection_id: str) -> Person:
        """The same as others see it. Raises HubError."""
        return person(self.user(connection_id))

    def named(self, user_id: str) -> User | None:
        """The user with this id, if here."""
        presence = self._present.get(user_id)
        return None if presence is None else presence.user

    def present(self) -> list[User]:
        return [presence.user for presence in self._present.values()]

    def connections(self, user_id: str) -> set[str]:
        presence = self._present.get(user_id)
        return set() if presence is None else set(presence.connections)

    def devices(self, user_id: str) -> int:
        """How many devices a person has connected: two tabs are one device."""
        return len({self._lines[each].session_id for each in self.connections(user_id)})

    def find(self, text: str) -> list[User]:
        """Those who are here and whose names begin with `text`."""
        key = folded(text)
        return [user for user in self.present() if folded(user.name).startswith(key)]

    def _unlink(self, session_id: str, connection_id: str) -> None:
        connections = self._sessions[session_id]
        connections.discard(connection_id)
        if not connections:
            del self._sessions[session_id]


def me(user: User) -> Me:
    return Me(user.id, user.name, role=user.role, tier=user.tier)


async def found_people(users: Users, here: People, text: str) -> list[Person]:
    """People with an account, and guests who are here, by the beginning of their names."""
    text = text.strip()[:40]
    if not text:
        return []
    found = {user.id: user for user in [*await users.find(text, FOUND), *here.find(text)]}
    return sorted(map(person, found.values()), key=lambda each: each.name.casefold())[:FOUND]
