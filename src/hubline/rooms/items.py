"""What clients of a `RoomsHub` get, as types, for hubs that override its methods and for contracts.

Keys are the same in JSON and MessagePack.
"""

from typing import Any, Literal, Protocol, TypedDict

__all__ = [
    "RoomCalls",
    "RoomChange",
    "RoomDevice",
    "RoomGap",
    "RoomJoined",
    "RoomMember",
    "RoomMembers",
    "RoomMessage",
    "RoomPage",
    "RoomSignal",
]


class RoomMessage(TypedDict):
    """A message of a room. `position` names it; `by` is a user id or the name of an agent."""

    position: str
    at: str
    by: str | None
    key: str | None
    data: Any


class RoomDevice(TypedDict):
    """One connection of a member. `name` is what the client calls itself."""

    id: str
    name: str | None
    since: str | None


class RoomMember(TypedDict):
    """Somebody who is in a room. `user` is the name of an agent too."""

    key: str
    user: str | None
    agent: bool
    state: Any
    devices: list[RoomDevice]


class RoomJoined(TypedDict):
    """The answer to a join. `complete`: whether `messages` are all that were missed. `changes`: `members` includes the
    changes up to this number."""

    room: str
    key: str | None
    position: str
    complete: bool
    messages: list[RoomMessage]
    members: list[RoomMember]
    changes: int
    count: int


class RoomPage(TypedDict):
    """Earlier messages, the oldest first. `more`: whether older ones are kept."""

    messages: list[RoomMessage]
    more: bool


class RoomMembers(TypedDict):
    """The members of a room, and how many they are; of very many, not all are listed."""

    count: int
    members: list[RoomMember]


class RoomChange(TypedDict):
    """A member has come, changed or left. `number` grows with each change of the room that a server tells."""

    kind: Literal["enter", "update", "leave"]
    member: RoomMember
    number: int


class RoomSignal(TypedDict):
    """Something that is not kept, such as a cursor."""

    kind: str
    value: Any
    by: str | None
    agent: bool
    connectionId: str | None


class RoomGap(TypedDict):
    """The messages up to this position are not all there."""

    position: str


class RoomCalls(Protocol):
    """What rooms call on clients."""

    async def room_message(self, room: str, message: RoomMessage) -> None:
        """A message was added."""

    async def room_presence(self, room: str, change: RoomChange) -> None:
        """The members have changed."""

    async def room_signal(self, room: str, signal: RoomSignal) -> None:
        """Somebody has told something that is not kept."""

    async def room_gap(self, room: str, gap: RoomGap) -> None:
        """Messages are missing: load again what depends on them."""

    async def room_closed(self, room: str) -> None:
        """The caller may not be in the room any more."""
