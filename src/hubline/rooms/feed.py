"""One room as a server follows it: the newest messages and the members, complete and in order. Without I/O."""

import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from hubline import Encoded
from hubline.rooms.store import Device, Page, Presence, Snapshot

Item: TypeAlias = Encoded[dict[str, Any]]
ChangeKind: TypeAlias = Literal["enter", "update", "leave"]

RECENT = 64
"""Messages that are kept in their encoded form, for clients that come back after a short cut. Ours."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message is the next one."""

    epoch: str
    seq: int
    item: Item


@dataclass(frozen=True, slots=True)
class Change:
    """A member has come, left, or changed."""

    number: int
    """Counts what this server has told: storages number their changes too, but several may be found at once."""
    kind: ChangeKind
    member: "RoomMember"
    item: Item


@dataclass(frozen=True, slots=True)
class Gap:
    """What came before this position, the watchers of the room have not all heard, and never will."""

    epoch: str
    seq: int


News: TypeAlias = Message | Change | Gap


def position(epoch: str, seq: int) -> str:
    """The position of a message, as clients have it."""
    return f"{epoch}-{seq}"


def message_item(epoch: str, seq: int, text: str) -> dict[str, Any]:
    """A message as clients get it."""
    return {"position": position(epoch, seq), **json.loads(text)}


@dataclass(frozen=True, slots=True)
class RoomMember:
    """Somebody who is in a room, on one device or several."""

    key: str
    """Unique in the room: of a user, an agent, or the connection of an anonymous user."""
    user: str | None
    """User id, or the name of an agent; `None` for an anonymous user."""
    agent: bool
    """Whether it is a program of the application: a bot, a model."""
    state: Any
    """A JSON value that the member has set, on whatever device; `None` at first."""
    devices: tuple[Device, ...]
    """Its connections, the oldest first. One that was lost stays for the time of grace."""

    def item(self) -> dict[str, Any]:
        """The form for clients."""
        devices = [{"id": each.id, "name": each.name, "since": each.since} for each in self.devices]
        return {"key": self.key, "user": self.user, "agent": self.agent, "state": self.state, "devices": devices}


OnPresence: TypeAlias = Callable[[str, ChangeKind, RoomMember], None]
"""Hears of the members of the room with this name."""


def member_of(key: str, found: Presence) -> RoomMember:
    """A member as the application gets it."""
    return RoomMember(key, found.user, found.agent, json.loads(found.state), found.devices)


class Feed:
    """Follows the messages of a room and its members. `tell` gets each of their news, once and in order.

    News that do not follow on what is known are not applied: then `told_…` returns False, and `loaded` completes it.
    """

    def __init__(self, tell: Callable[[News], None], changes: int = 0) -> None:
        """Changes of members are numbered from the one after `changes`."""
        self._tell = tell
        self.epoch: str | None = None
        """`None` until it is loaded."""
        self.end = self.version = 0
        self.changes = changes
        """The number of the newest change of members that was told."""
        self.members: dict[str, Presence] = {}
        self._recent: deque[tuple[str, int, Item]] = deque(maxlen=RECENT)

    def told_message(self, epoch: str, seq: int, text: str) -> bool:
        """A message was added. False if something before it is missing."""
        if epoch != self.epoch or seq > self.end + 1:
            return False
        if seq == self.end + 1:
            self._add(seq, text)
        return True

    def told_presence(self, version: int, key: str, member: Presence | None) -> bool:
        """A member has changed. False if a change before it is missing."""
        if self.epoch is None or version > self.version + 1:
            return False
        if version == self.version + 1:
            self.version = version
            self._member(key, member)
        return True

    def loaded(self, found: Snapshot) -> bool:
        """The storage has this, with all messages after `end`. Returns whether it has lost something that was known."""
        page, before = found.page, self.epoch
        if page.epoch == before and (page.end < self.end or found.version < self.version):
            return False  # the answer is older than news that have come meanwhile
        if page.epoch != before:
            self.epoch, self.end = page.epoch, page.end
            if before is not None:  # what of this was told in the former epoch, nobody knows
                self._tell(Gap(page.epoch, page.end))
        elif page.end > self.end:
            first = page.messages[0][0] if page.messages else page.end + 1
            if first > self.end + 1:  # they have come and were dropped
                self.end = first - 1
                self._tell(Gap(page.epoch, self.end))
            for seq, text in page.messages:
                if seq == self.end + 1:
                    self._add(seq, text)
        self.version = found.version
        if found.members is not None:
            self._replace(found.members, tell=before is not None)
        return before is not None and page.epoch != before

    def present(self, found: Snapshot) -> None:
        """The same for the members alone, of an answer that was not asked for all messages after `end`."""
        if found.members is not None and found.page.epoch == self.epoch and found.version >= self.version:
            self.version = found.version
            self._replace(found.members, tell=True)

    def items(self, page: Page) -> list[Item]:
        """The messages of a page, each the same object as for others who have just got it."""
        known = {(epoch, seq): item for epoch, seq, item in self._recent}
        return [
            known.get((page.epoch, seq)) or Encoded(message_item(page.epoch, seq, text)) for seq, text in page.messages
        ]

    def _add(self, seq: int, text: str) -> None:
        assert self.epoch is not None
        self.end, item = seq, Encoded(message_item(self.epoch, seq, text))
        self._recent.append((self.epoch, seq, item))
        self._tell(Message(self.epoch, seq, item))

    def _replace(self, members: Mapping[str, Presence], *, tell: bool) -> None:
        if not tell:
            self.members = dict(members)
            return
        for key in [each for each in self.members if each not in members]:
            self._member(key, None)
        for key, member in members.items():
            self._member(key, member)

    def _member(self, key: str, member: Presence | None) -> None:
        before = self.members.get(key)
        if member == before:
            return
        if member is None:
            del self.members[key]
        else:
            self.members[key] = member
        kind: ChangeKind = "leave" if member is None else "enter" if before is None else "update"
        shown = member or before
        assert shown is not None
        told = member_of(key, shown)
        item = told.item()
        if member is None or before is None or item != member_of(key, before).item():
            self.changes += 1
            change = {"kind": kind, "member": item, "number": self.changes}
            self._tell(Change(self.changes, kind, told, Encoded(change)))


def newest_within(page: Page, size: int) -> Page:
    """The newest messages of a page that have at most so many bytes together, but one at least."""
    at = len(page.messages)
    while at and (size := size - len(page.messages[at - 1][1])) >= 0:
        at -= 1
    return replace(page, messages=page.messages[min(at, max(len(page.messages) - 1, 0)) :])
