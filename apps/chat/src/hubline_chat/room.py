"""One room: its members and its newest messages. Who is there, `Chat.presence` knows."""

from collections.abc import Collection
from dataclasses import replace

from hubline import HubError
from hubline_chat import contract
from hubline_chat.contract import RoomMember
from hubline_chat.history import History
from hubline_chat.people import People
from hubline_chat.store.rooms import RoomRecord

UNTITLED = "New conversation"


def is_listed(room: "Room | contract.Room", private: Collection[str]) -> bool:
    """Whether a room is in the list of somebody who can see these private rooms."""
    return not room.is_private or room.id in private


class Room:
    def __init__(self, record: RoomRecord, history: History) -> None:
        self.id, self.name, self.topic, self.is_private = record.id, record.name, record.topic, record.is_private
        self.asks, self.is_archived, self.retention_days = record.asks, record.is_archived, record.retention_days
        self.is_conversation, self.pair = record.is_conversation, record.pair
        self.model, self.prompt, self.made_at = record.model, record.prompt, record.made_at
        self.is_untitled = record.is_conversation and record.name == UNTITLED
        """Nobody has given the conversation a title, and the model has not yet."""
        self.history = history
        self.group = f"room:{record.id}"
        """The hub group of the pages that show it."""
        self.members = {each.user_id: RoomMember(each.user_id, each.name, each.is_owner) for each in record.members}
        """In the order in which they joined. A room that everybody can see has only its maker."""

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

    def welcome(self, name: str) -> str:
        """What somebody is told who comes here for the first time."""
        if self.asks:
            return f"Welcome to {self.name}, {name}! The assistant answers every message here."
        return f"Welcome to {self.name}, {name}! Write @ai in a message to ask the assistant."

    def info(self, people: People, count: int) -> contract.Room:
        """`count`: those who are there."""
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
            last_at=self.history.last_at or (self.made_at if self.members else None),
            is_conversation=self.is_conversation,
            is_pair=self.is_pair,
            model=self.model,
        )


def check_is_room(room: Room) -> None:
    """Raises HubError for a conversation of two people, which is nobody's to change."""
    if room.is_pair:
        raise HubError("A conversation of two people belongs to both, and cannot be changed.")
