"""One room: its members, the connections in it, and its newest messages."""

from dataclasses import replace

from hubline import HubError
from hubline_chat import contract
from hubline_chat.contract import Person, RoomMember
from hubline_chat.history import History
from hubline_chat.people import People
from hubline_chat.store.rooms import RoomRecord

UNTITLED = "New conversation"


class Room:
    """One room. It keeps the connections in it; their users are looked up when needed."""

    def __init__(self, record: RoomRecord, history: History) -> None:
        self.id, self.name, self.topic, self.is_private = record.id, record.name, record.topic, record.is_private
        self.asks, self.is_archived, self.retention_days = record.asks, record.is_archived, record.retention_days
        self.is_conversation, self.pair = record.is_conversation, record.pair
        self.model, self.prompt = record.model, record.prompt
        self.is_untitled = record.is_conversation and record.name == UNTITLED
        """Nobody has given the conversation a title, and the model has not yet."""
        self.history = history
        self.group = f"room:{record.id}"
        """The hub group of the connections in it."""
        self.members = {each.user_id: RoomMember(each.user_id, each.name, each.is_owner) for each in record.members}
        """In the order in which they joined. A room that everybody can see has only its maker."""
        self._connections: set[str] = set()

    def is_visible_to(self, user_id: str) -> bool:
        return not self.is_private or user_id in self.members

    def is_owned_by(self, user_id: str) -> bool:
        return user_id in self.members and self.members[user_id].is_owner

    @property
    def is_pair(self) -> bool:
        return self.pair is not None

    def check_open(self) -> None:
        """Raises HubError when nothing can be written here, because the room is archived."""
        if self.is_archived and self.is_pair:
            raise HubError(f"{self.name} is gone, and nothing new can be written here.")
        if self.is_archived:
            raise HubError(f"{self.name} is archived: it can be read, and nothing new can be written.")

    def join(self, connection_id: str) -> bool:
        """Whether the connection is new here."""
        is_new = connection_id not in self._connections
        self._connections.add(connection_id)
        return is_new

    @property
    def connections(self) -> frozenset[str]:
        return frozenset(self._connections)

    def leave(self, connection_id: str) -> bool:
        """Whether the connection was here."""
        was_here = connection_id in self._connections
        self._connections.discard(connection_id)
        return was_here

    def people(self, people: People) -> list[Person]:
        """The people who are here, by name, with the number of their devices in this room."""
        found = {person.id: person for person in map(people.who, self._connections)}
        here = [replace(person, devices=people.devices(person.id, self._connections)) for person in found.values()]
        return sorted(here, key=lambda person: (person.name.casefold(), person.id))

    def has(self, person: Person, people: People) -> bool:
        return any(people.who(connection_id).id == person.id for connection_id in self._connections)

    def welcome(self, name: str) -> str:
        """What somebody is told who comes here for the first time."""
        if self.asks:
            return f"Welcome to {self.name}, {name}! The assistant answers every message here."
        return f"Welcome to {self.name}, {name}! Write @ai in a message to ask the assistant."

    def info(self, people: People) -> contract.Room:
        count = len({people.who(connection_id).id for connection_id in self._connections})
        members = [replace(member, devices=people.devices(member.id)) for member in self.members.values()]
        return contract.Room(
            self.id,
            self.name,
            self.topic,
            count,
            self.history.last_seq,
            self.is_private,
            members if self.is_private else [],
            self.asks,
            owners=[member.id for member in self.members.values() if member.is_owner],
            is_archived=self.is_archived,
            retention_days=self.retention_days,
            last_at=self.history.last_at,
            is_conversation=self.is_conversation,
            is_pair=self.is_pair,
            model=self.model,
        )


def check_is_room(room: Room) -> None:
    """Raises HubError for a conversation of two people, which is nobody's to change."""
    if room.is_pair:
        raise HubError("A conversation of two people belongs to both, and cannot be changed.")
