"""The order of runs in a room."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from hubline import HubError
from hubline.runs.info import OnBusy
from hubline.runs.policies import BUSY, check_policy, full

if TYPE_CHECKING:
    from hubline.runs.record import Record


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
        check_policy(policy)
        room = self._rooms.get(name) if name is not None else None
        if room is None or not (room.active or room.waiting):
            return
        if policy == "reject":
            raise HubError(BUSY)
        if policy == "queue" and len(room.waiting) >= self._most:
            raise HubError(full(self._most))

    def enter(self, record: "Record", policy: OnBusy) -> "Sequence[Record]":
        """Begin a run, or let it wait. Returns the runs that must be stopped for it."""
        if record.room is None:
            self._begin(record)
            return ()
        room = self._rooms.setdefault(record.room, Room())
        record.takes_turns = policy != "concurrent"
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
        """A run has ended, or will never begin: the next one begins, unless another one is in progress."""
        room = self._rooms.get(record.room) if record.room is not None else None
        if room is None:
            return
        if record in room.active:
            room.active.remove(record)
        if record in room.waiting:
            room.waiting.remove(record)
        self._go_on(str(record.room), room)

    def park(self, record: "Record") -> None:
        """The function of a run has ended until a person answers: it holds nobody up meanwhile."""
        room = self._rooms.get(record.room) if record.room is not None else None
        if room is not None and record in room.active:
            room.active.remove(record)
            self._go_on(str(record.room), room)

    def resume(self, record: "Record") -> None:
        """Begin a parked run, or let it wait in front of all others: it came before them."""
        if record.room is None or record.takes_turns is None:
            self._begin(record)
            return
        room = self._rooms.setdefault(record.room, Room())
        if record.takes_turns and room.active:
            room.waiting.insert(0, record)
        else:
            room.active.append(record)
            self._begin(record)

    def _go_on(self, name: str, room: Room) -> None:
        if not room.active and room.waiting:
            following = room.waiting.pop(0)
            room.active.append(following)
            self._begin(following)
        if not room.active and not room.waiting:
            del self._rooms[name]

    def places(self, name: str | None) -> "list[Record]":
        """The waiting runs of a room, the next one first."""
        room = self._rooms.get(name) if name is not None else None
        return list(room.waiting) if room is not None else []
