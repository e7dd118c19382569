"""Rooms: who is in them and what was said."""

import re
import unicodedata
from dataclasses import replace

from hubline import HubError
from hubline_chat import contract
from hubline_chat.contract import Person
from hubline_chat.history import History
from hubline_chat.limits import clean_name
from hubline_chat.people import People

ROOMS = 100
FIRST_ROOMS = (
    ("General", "Whatever has no room of its own"),
    ("Ask the assistant", "Questions to the model, for everyone to read"),
    ("Off topic", "Everything else"),
)


class Room:
    """One room. Its members are connections; the people behind them are looked up when somebody wants to know."""

    def __init__(self, room_id: str, name: str, topic: str, history: History) -> None:
        self.id, self.name, self.topic, self.history = room_id, name, topic, history
        self.group = f"room:{room_id}"
        """The hub group of its members."""
        self._connections: set[str] = set()

    def join(self, connection_id: str) -> bool:
        """Whether the connection is new here."""
        is_new = connection_id not in self._connections
        self._connections.add(connection_id)
        return is_new

    def leave(self, connection_id: str) -> bool:
        """Whether the connection was here."""
        was_here = connection_id in self._connections
        self._connections.discard(connection_id)
        return was_here

    def people(self, people: People) -> list[Person]:
        """Who is here, by name, with the number of their connections in this room."""
        found: dict[str, Person] = {}
        for connection_id in self._connections:
            person = people.who(connection_id)
            known = found.get(person.id, person)
            found[person.id] = replace(known, devices=known.devices + 1)
        return sorted(found.values(), key=lambda person: (person.name.casefold(), person.id))

    def has(self, person: Person, people: People) -> bool:
        return any(people.who(connection_id).id == person.id for connection_id in self._connections)

    def info(self, people: People) -> contract.Room:
        count = len({people.who(connection_id).id for connection_id in self._connections})
        return contract.Room(self.id, self.name, self.topic, count, self.history.last_seq)


class Rooms:
    """All rooms, in the order in which they were made."""

    def __init__(self, *, history_messages: int = 1_000) -> None:
        self._history_messages = history_messages
        self._rooms: dict[str, Room] = {}
        for name, topic in FIRST_ROOMS:
            self.create(name, topic)

    def create(self, name: str, topic: str = "") -> Room:
        """A new room.

        Raises:
            HubError: the name is not valid or in use, or there are too many rooms.
        """
        name = clean_name(name, whose="The room's name")
        if len(self._rooms) >= ROOMS:
            raise HubError(f"There are {ROOMS} rooms already, and more are not possible.")
        if any(room.name.casefold() == name.casefold() for room in self._rooms.values()):
            raise HubError(f"There is a room called {name} already.")
        room = Room(self._free_id(name), name, topic, History(self._history_messages))
        self._rooms[room.id] = room
        return room

    def find(self, room_id: str) -> Room:
        """The room with this id.

        Raises:
            HubError: there is none.
        """
        room = self._rooms.get(room_id)
        if room is None:
            raise HubError("This room does not exist.")
        return room

    def of_message(self, message_id: str) -> tuple[Room, contract.Message]:
        """A message that is still kept, and its room.

        Raises:
            HubError: there is none.
        """
        for room in self._rooms.values():
            if (message := room.history.find(message_id)) is not None:
                return room, message
        raise HubError("This message is no longer there.")

    def leave_all(self, connection_id: str) -> list[Room]:
        """Take a connection out of every room; those it was in."""
        return [room for room in self._rooms.values() if room.leave(connection_id)]

    def joined_by(self, connections: set[str]) -> list[Room]:
        return [room for room in self._rooms.values() if room._connections & connections]

    def list(self, people: People) -> list[contract.Room]:
        return [room.info(people) for room in self._rooms.values()]

    def _free_id(self, name: str) -> str:
        """A readable id, for addresses: the name's Latin letters and digits, with a number where that is taken."""
        ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
        slug = re.sub(r"[^a-z0-9]+", "-", ascii_name).strip("-") or "room"
        number = 1
        while (room_id := slug if number == 1 else f"{slug}-{number}") in self._rooms:
            number += 1
        return room_id
