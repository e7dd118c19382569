"""What the server calls about a room, until it is read."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from hubline.client.room_events import Change, Joined

CALLS = ("RoomMessage", "RoomGap", "RoomPresence", "RoomSignal", "RoomClosed")

MEMBERS = "members"
"""No call of the server: the answer to another one who has joined the same room, with its members."""


class Incoming:
    """The calls of the server about a room, from a join on: a `Listener`."""

    def __init__(self, room: str, limit: int, options: dict[str, Any], last: Callable[[], str | None]) -> None:
        """`options` are those of the join, `last` is the position of what was heard last."""
        self.room, self.options, self._limit, self._last = room, options, limit, last
        self._calls: deque[tuple[str, Any]] = deque()
        self._woken = asyncio.Event()
        self._broken = True
        """What comes now does not follow on what was heard, until the next join."""
        self.connected = False
        self.joined = False
        """Whether the server has answered the join."""

    def begin(self) -> None:
        """The room is about to be joined."""
        self._calls.clear()
        self._broken, self.connected, self.joined = False, True, False

    def heard(self, target: str, arguments: list[Any]) -> bool:
        if target not in CALLS or not arguments or arguments[0] != self.room:
            return False
        self._take(target, arguments[1] if len(arguments) > 1 else None)
        return True

    def missed(self, found: Joined, other: "Incoming") -> None:
        """What another one was told who has joined the room. Before our own answer has come, we need nothing of it."""
        if not self.joined:
            return
        epoch, last = split(self._last())
        for message in found.messages:
            ours, number = split(message.position)
            if ours == epoch and number > last:
                self._take("RoomMessage", message)
        self._take(MEMBERS, other._newest(found))
        self._broken = self._broken or other._broken  # it has not heard every change, so ask once more

    def lost(self) -> None:
        self._broken, self.connected, self.joined = True, False, False
        self._woken.set()

    async def next(self) -> tuple[str, Any] | None:
        """The next call; `None`: another join is needed."""
        while not self._calls:
            if self._broken:
                return None
            self._woken.clear()
            await self._woken.wait()
        return self._calls.popleft()

    def _newest(self, found: Joined) -> Joined:
        """The answer to our join, with the changes of members that came before it, but which it does not include."""
        members, number = {member.key: member for member in found.members}, found.changes
        for change in [msgspec.convert(value, Change) for target, value in self._calls if target == "RoomPresence"]:
            if change.number is not None and change.number > number:
                change.apply(members)
                number = change.number
        return msgspec.structs.replace(found, members=tuple(members.values()), changes=number)

    def _take(self, target: str, value: Any) -> None:
        if not self._broken:
            self._calls.append((target, value))
            self._broken = len(self._calls) >= self._limit
            self._woken.set()


def split(position: str | None) -> tuple[str, int]:
    """The epoch and the number of a position."""
    epoch, _, number = (position or "-0").rpartition("-")
    return epoch, int(number)


def before(position: str) -> str:
    """The position before."""
    epoch, number = split(position)
    return f"{epoch}-{number - 1}"
