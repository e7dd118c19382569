"""What a client hears of a room."""

from typing import Any, Literal, TypeAlias

from msgspec import Struct, field


class RoomMessage(Struct, frozen=True, kw_only=True):
    """A message of a room. Each comes once, in the order of the room."""

    position: str
    """Names it; a later join goes on after it."""
    at: str
    """When the server got it: ISO 8601 in UTC."""
    by: str | None = None
    """The id of the user, or the name of an agent; `None` for an anonymous user and for the application."""
    key: str | None = None
    """The key with which it was sent."""
    data: Any = None
    """What was sent."""


class RoomGap(Struct, frozen=True):
    """The messages up to here are not all there: load again what depends on them."""

    position: str
    """The next message comes after it."""


class RoomDevice(Struct, frozen=True):
    """One connection of a member."""

    id: str
    """The connection's id."""
    name: str | None = None
    """What the client calls itself, such as `phone`."""
    since: str | None = None
    """When it came: ISO 8601 in UTC."""


class RoomMember(Struct, frozen=True, kw_only=True):
    """Somebody who is in a room."""

    key: str
    """Unique in the room."""
    user: str | None = None
    """User id, or the name of an agent; `None` for an anonymous user."""
    agent: bool = False
    """Whether it is a bot or a model."""
    state: Any = None
    """What it has set."""
    devices: tuple[RoomDevice, ...] = ()
    """Its connections, the oldest first."""


class RoomPresence(Struct, frozen=True):
    """The members have changed."""

    kind: Literal["members", "enter", "update", "leave"]
    """`members`: the list is new, after each join."""
    member: RoomMember | None
    """Who has come, changed or left; `None` with `members`."""
    members: tuple[RoomMember, ...]
    """All that are there now."""


class RoomSignal(Struct, frozen=True, kw_only=True):
    """Something that is not kept: who types, a cursor."""

    kind: str
    """What the sender calls it."""
    value: Any = None
    """What was sent."""
    by: str | None = None
    """The id of the user, or the name of an agent."""
    agent: bool = False
    """Whether it is a bot or a model."""
    connection_id: str | None = field(default=None, name="connectionId")
    """The sender's connection."""


RoomEvent: TypeAlias = RoomMessage | RoomGap | RoomPresence | RoomSignal
"""What a `JoinedRoom` yields."""


class RoomPage(Struct, frozen=True):
    """Older messages."""

    messages: tuple[RoomMessage, ...]
    """The oldest first."""
    more: bool
    """Whether still older ones are kept."""


class Joined(Struct, frozen=True):
    """The answer to a join."""

    position: str
    complete: bool
    messages: tuple[RoomMessage, ...]
    members: tuple[RoomMember, ...]
    changes: int = 0
    """The number of the newest change that `members` includes; 0 if the server does not say it."""


class Change(Struct, frozen=True):
    """The value of a call of `RoomPresence`."""

    kind: Literal["enter", "update", "leave"]
    member: RoomMember
    number: int | None = None
    """Grows with each change; `None` if the server does not say it."""

    def apply(self, members: dict[str, RoomMember]) -> None:
        """Change the members of the room, by their keys."""
        if self.kind == "leave":
            members.pop(self.member.key, None)
        else:
            members[self.member.key] = self.member
