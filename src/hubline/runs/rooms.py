"""The order of runs in a room."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, get_args

from hubline import HubError
from hubline.runs.info import OnBusy

if TYPE_CHECKING:
    from hubline.runs.record import Record


POLICIES: tuple[OnBusy, ...] = get_args(OnBusy)


class Room:
    """The runs of one room that have not ended."""

    __slots__ = ("active", "waiting")

    def __init__(self) -> None:
        self.active: list[Record] = []
        self.waiting: list[Record] = []


class Rooms:
    """Admits runs in the order of their arrival. `begin` is called for a run when its turn has come."""

    def __init__(self, most_waiting: int, begin: "Callable[[Record], None]") -> None:
        self._most, self._begin = most_waiting, begin
        self._rooms: dict[str, Room] = {}

    def __len__(self) -> int:
        return len(self._rooms)

    def check(self, name: str | None, policy: OnBusy) -> None:
        """Check whether a run may start or wait now. Raises HubError with the reason; ValueError: an unknown policy."""
        if policy not in POLICIES:
            raise ValueError(f"on_busy is {policy!r}, and none of {', '.join(POLICIES)}")
        room = self._rooms.get(name) if name is not None else None
        if room is None or not (room.active or room.waiting):
            return
        if policy == "reject":
            raise HubError("The room is busy.")
        if policy == "queue" and len(room.waiting) >= self._most:
            raise HubError(f"{self._most} runs wait in this room already.")

    def enter(self, record: "Record", policy: OnBusy) -> "Sequence[Record]":
        """Begin a run, or let it wait. Returns the runs that must be stopped for it."""
        if record.room is None:
            self._begin(record)
            return ()
        room = self._rooms.setdefault(record.room, Room())
        if policy == "concurrent" or not (room.active or room.waiting):
            room.active.append(record)
            self._begin(record)
            return ()
        given_up: list[Record] = []
        if policy in ("latest", "interrupt"):
            given_up += room.waiting
            room.waiting = []
        if policy == "interrupt":
            given_up += room.active
        room.waiting.append(record)
        return given_up

    def waits(self, record: "Record") -> bool:
        return record.room in self._rooms and record in self._rooms[record.room].waiting

    def leave(self, record: "Record") -> None:
        """A run has ended, or will never begin: the next one's turn has come, where nobody else is in progress."""
        room = self._rooms.get(record.room) if record.room is not None else None
        if room is None:
            return
        if record in room.active:
            room.active.remove(record)
        if record in room.waiting:
            room.waiting.remove(record)
        if not room.active and room.waiting:
            following = room.waiting.pop(0)
            room.active.append(following)
            self._begin(following)
        if not room.active and not room.waiting:
            del self._rooms[str(record.room)]

    def places(self, name: str | None) -> "list[Record]":
        """The waiting runs of a room, the next one first."""
        room = self._rooms.get(name) if name is not None else None
        return list(room.waiting) if room is not None else []
