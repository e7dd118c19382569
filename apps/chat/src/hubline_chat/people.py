"""Who is connected, and as whom. A person may have several connections: tabs, devices."""

import base64
import hashlib
from dataclasses import dataclass, field

from hubline import HubError
from hubline_chat.contract import Person
from hubline_chat.limits import check_key, clean_name

RESERVED = frozenset({"system", "ai", "assistant"})
"""Names that people would take for somebody else's."""


@dataclass(slots=True)
class Presence:
    """A person and the connections that are this person now."""

    person: Person
    connections: set[str] = field(default_factory=set)


def person_id(key: str) -> str:
    """The public id that belongs to a browser's secret: the secret cannot be learned from it."""
    digest = hashlib.blake2b(key.encode(), digest_size=12, person=b"hubline-chat").digest()
    return base64.urlsafe_b64encode(digest).decode()


class People:
    """Everybody who has entered and is connected."""

    def __init__(self, reserved: frozenset[str] = RESERVED) -> None:
        self._reserved = reserved
        self._present: dict[str, Presence] = {}
        self._by_connection: dict[str, str] = {}

    def enter(self, connection_id: str, name: str, key: str) -> Person:
        """Take `connection_id` for the person who holds `key`, under `name` from now on.

        Raises:
            HubError: the name or the key is not valid, or the name belongs to somebody who is here.
        """
        check_key(key)
        name = clean_name(name, whose="Your name")
        identity = person_id(key)
        folded = name.casefold()
        taken = any(p.person.name.casefold() == folded and p.person.id != identity for p in self._present.values())
        if taken or folded in self._reserved:
            raise HubError(f"The name {name} is taken. Choose another one.")
        self.leave(connection_id)
        presence = self._present.setdefault(identity, Presence(Person(identity, name)))
        presence.person = Person(identity, name)
        presence.connections.add(connection_id)
        self._by_connection[connection_id] = identity
        return presence.person

    def leave(self, connection_id: str) -> None:
        """Forget a connection, and a person whose last one it was."""
        presence = self._present.get(self._by_connection.pop(connection_id, ""))
        if presence is not None:
            presence.connections.discard(connection_id)
            if not presence.connections:
                del self._present[presence.person.id]

    def who(self, connection_id: str) -> Person:
        """The person behind a connection.

        Raises:
            HubError: the connection has not entered.
        """
        if connection_id not in self._by_connection:
            raise HubError("Enter first.")
        return self._present[self._by_connection[connection_id]].person
