"""Rooms in the memory of this process."""

import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from hubline._clock import Clock, MonotonicClock
from hubline._mistakes import Mistakes
from hubline.rooms.store import Appended, Page, Presence, RoomListener, Snapshot

KEYS_FOR = 120.0
"""Seconds for which the key of a message is known. Ours: longer than a client tries to send one message."""


@dataclass(slots=True)
class _Room:
    epoch: str
    end: int = 0
    messages: deque[tuple[int, str, float]] = field(default_factory=deque)
    """Each with its number and the time when it was added."""
    keys: dict[str, tuple[int, float]] = field(default_factory=dict)
    version: int = 0
    members: dict[str, Presence] = field(default_factory=dict)
    away: set[tuple[str, str]] = field(default_factory=set)
    """The keys of members, each with the id of its device that is away."""
    listeners: set[RoomListener] = field(default_factory=set)
    touched: float = 0.0


class MemoryRoomStore:
    """A `RoomStore` for one process: the newest `history` messages of each room, none older than `keep` seconds.

    Several `Rooms` may share one. A room is forgotten when it has been empty and silent for as long as it keeps
    messages; then its epoch changes.

    Raises:
        ConfigurationError: lists every value that is not valid.
    """

    def __init__(self, history: int = 1_000, *, keep: float = 86_400.0, clock: Clock | None = None) -> None:
        mistakes = Mistakes("MemoryRoomStore")
        mistakes.whole("history", history, above=0)
        mistakes.number("keep", keep, above=0)
        mistakes.has("clock", clock, "a clock", "now", "sleep", optional=True)
        mistakes.tell()
        self._history, self._keep, self._clock = history, keep, clock or MonotonicClock()
        self._rooms: dict[str, _Room] = {}
        self._swept_at = self._clock.now()

    @property
    def shared(self) -> bool:
        """No."""
        return False

    def __len__(self) -> int:
        return len(self._rooms)

    async def open(self, listener: RoomListener) -> None:
        """Nothing: there is no connection."""

    async def watch(self, room: str, listener: RoomListener) -> None:
        """The listener is called while a room changes."""
        self._room(room).listeners.add(listener)

    async def unwatch(self, room: str, listener: RoomListener) -> None:
        """It is not called any more."""
        self._room(room).listeners.discard(listener)

    async def append(self, room: str, text: str, *, key: str, known: tuple[str, int] | None = None) -> Appended:
        """Add a message. Never waits."""
        found, now = self._room(room), self._clock.now()
        if key in found.keys:
            return Appended(found.epoch, found.keys[key][0], repeated=True)
        found.end += 1
        found.messages.append((found.end, text, now))
        found.keys[key] = (found.end, now)
        if len(found.messages) > self._history:
            found.messages.popleft()
        self._trim(found)
        seq = found.end
        _tell(found, lambda listener: listener.message(room, found.epoch, seq, text))
        return Appended(found.epoch, seq)

    async def load(self, room: str, *, after: tuple[str, int] | None, limit: int, version: int | None) -> Snapshot:
        """A room. Never waits."""
        found = self._room(room)
        self._trim(found)
        known = after is not None and after[0] == found.epoch and after[1] <= found.end
        start = after[1] if after is not None and known else 0
        page = self._page(found, [each[:2] for each in found.messages if each[0] > start][-limit:] if limit else [])
        return Snapshot(page, found.version, None if version == found.version else dict(found.members))

    async def earlier(self, room: str, before: int, limit: int) -> Page:
        """Messages of a room. Never waits."""
        found = self._room(room)
        self._trim(found)
        return self._page(found, [each[:2] for each in found.messages if each[0] < before][-limit:])

    async def enter(self, room: str, key: str, member: Presence, *, state: bool) -> int:
        """Add a member, or a device to it."""
        found = self._room(room)
        before = found.members.get(key)
        if before is None:
            self._change(room, found, key, member)
            return found.version
        device = member.devices[0]
        others = [each for each in before.devices if each.id != device.id and (key, each.id) not in found.away]
        found.away -= {(key, each.id) for each in before.devices}
        value = member.state if state else before.state
        self._change(room, found, key, replace(before, state=value, devices=(*others, device)))
        return found.version

    async def away(self, room: str, key: str, device_id: str) -> bool:
        """Mark a device, or remove it if it is not the last."""
        found = self._room(room)
        member = found.members.get(key)
        there = member is not None and any(each.id == device_id for each in member.devices)
        if member is None or not there:
            return False
        if any((key, each.id) not in found.away for each in member.devices if each.id != device_id):
            await self.leave(room, key, device_id)
            return False
        found.away.add((key, device_id))
        return True

    async def leave(self, room: str, key: str, device_id: str, *, if_away: bool = False) -> None:
        """Remove a device. Idempotent."""
        found = self._room(room)
        member = found.members.get(key)
        if member is not None and (not if_away or (key, device_id) in found.away):
            left = tuple(each for each in member.devices if each.id != device_id)
            found.away.discard((key, device_id))
            if len(left) < len(member.devices):
                self._change(room, found, key, replace(member, devices=left) if left else None)

    async def set_state(self, room: str, key: str, state: str) -> bool:
        """Set the state of a member."""
        found = self._room(room)
        member = found.members.get(key)
        if member is None:
            return False
        self._change(room, found, key, replace(member, state=state))
        return True

    async def signal(self, room: str, text: str) -> None:
        """Call the listeners."""
        if room in self._rooms:
            _tell(self._rooms[room], lambda listener: listener.signal(room, text))

    async def close(self) -> None:
        """Nothing: another `Rooms` may use it."""

    def _room(self, room: str) -> _Room:
        now = self._clock.now()
        if now - self._swept_at >= KEYS_FOR:
            self._swept_at = now
            self._sweep(now)
        found = self._rooms.get(room)
        if found is None:
            found = self._rooms[room] = _Room(secrets.token_urlsafe(6))
        found.touched = now
        return found

    def _sweep(self, now: float) -> None:
        """Forget rooms to which nothing happens any more."""
        for room, found in list(self._rooms.items()):
            self._trim(found)
            idle = now - found.touched
            if not (found.members or found.listeners) and idle >= (self._keep if found.end else KEYS_FOR):
                del self._rooms[room]

    def _change(self, room: str, found: _Room, key: str, member: Presence | None) -> None:
        if member is not None and found.members.get(key) == member:
            return
        found.version += 1
        if member is None:
            del found.members[key]
        else:
            found.members[key] = member
        version = found.version
        _tell(found, lambda listener: listener.presence(room, version, key, member))

    def _trim(self, found: _Room) -> None:
        now = self._clock.now()
        while found.messages and found.messages[0][2] < now - self._keep:
            found.messages.popleft()
        for key, (_, at) in list(found.keys.items()):  # the oldest first
            if at >= now - KEYS_FOR:
                break
            del found.keys[key]

    def _page(self, found: _Room, messages: list[tuple[int, str]]) -> Page:
        first = found.messages[0][0] if found.messages else found.end + 1
        return Page(found.epoch, found.end, first, messages)


def _tell(found: _Room, tell: Callable[[RoomListener], None]) -> None:
    for listener in list(found.listeners):
        tell(listener)
