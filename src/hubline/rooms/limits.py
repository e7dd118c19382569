"""The limits of rooms, and what callers may do in them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from hubline._mistakes import Mistakes
from hubline.runs import Caller

RoomAction: TypeAlias = Literal["join", "send", "signal"]
"""What a caller wants to do in a room. `join` is also asked for its history, its members and one's own state."""

AllowInRoom: TypeAlias = Callable[[RoomAction, str, Caller], Awaitable[bool]]
"""Whether a caller may do something in a room, given by its name."""


@dataclass(frozen=True, slots=True)
class RoomLimits:
    """Limits of rooms. Exceeding one is an error of the call.

    Raises:
        ConfigurationError: lists every value that is not valid.
    """

    name: int = 200
    """Characters of a room's name, and of a device's."""
    message: int = 65_536
    """Bytes of one message, in JSON."""
    state: int = 4_096
    """Bytes of a member's state, and of a signal, in JSON."""
    per_connection: int = 100
    """Rooms that one connection is in at once."""
    missed: int = 1_000
    """Messages that a join returns at most. If more were missed, it is not complete."""
    missed_bytes: int = 1_048_576
    """The same in bytes of JSON."""
    listed: int = 1_000
    """Members that a join or `RoomMembers` lists; the first by their names. The count is of all."""

    def __post_init__(self) -> None:
        mistakes = Mistakes("RoomLimits")
        for each in ("name", "message", "state", "per_connection", "missed", "missed_bytes", "listed"):
            mistakes.whole(each, getattr(self, each), above=0)
        mistakes.tell()


async def anyone(action: RoomAction, room: str, caller: Caller) -> bool:
    """The rule for public rooms: everybody who may call the hub may join, send and signal in every room."""
    return True
