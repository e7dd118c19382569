"""The storage of rooms: their history, who is in them, and the news of both for the servers that watch them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Device:
    """One connection of a member, or one call of `Rooms.agent`."""

    id: str
    """The connection's id; unique in the room."""
    name: str | None = None
    """What the client calls it, such as `phone`."""
    since: str | None = None
    """When it came: ISO 8601 in UTC."""
    node: str = ""
    """The server that has it; the storage sets it."""


@dataclass(frozen=True, slots=True)
class Presence:
    """One member of a room, as the storage has it."""

    user: str | None
    """User id, or the name of an agent; `None` for an anonymous user."""
    agent: bool = False
    """Whether it is a program of the application and not a person."""
    state: str = "null"
    """The state of the member, in JSON."""
    devices: tuple[Device, ...] = ()
    """Without those that have no order: the oldest first."""


@dataclass(frozen=True, slots=True)
class Appended:
    """Where a message is."""

    epoch: str
    """That of the room: another one when confirmed messages were lost."""
    seq: int
    """The number of the message, from 1."""
    repeated: bool = False
    """Whether its key was known: it is an earlier message, and nothing was added."""


@dataclass(frozen=True, slots=True)
class Page:
    """Messages of a room, the oldest first, each with its number and its text in JSON."""

    epoch: str
    """That of the room."""
    end: int
    """The number of the last message of the room; 0 before the first."""
    first: int
    """The number of the oldest message that is kept; one more than `end` if there is none."""
    messages: Sequence[tuple[int, str]] = ()
    """Their numbers and texts."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A room at one moment."""

    page: Page
    """The messages that were asked for."""
    version: int
    """Counts the changes of its members."""
    members: Mapping[str, Presence] | None = field(default=None)
    """By their keys; `None` if they are those of the version that was asked about."""


class RoomListener(Protocol):
    """Hears the news of the watched rooms, in the order in which they happened. No method waits or raises."""

    def message(self, room: str, epoch: str, seq: int, text: str) -> None:
        """A message was added."""

    def presence(self, room: str, version: int, key: str, member: Presence | None) -> None:
        """A member has come or changed; `None`: it has left."""

    def signal(self, room: str, text: str) -> None:
        """Something that is not kept, in JSON."""

    def interrupted(self) -> None:
        """News of any room may have been lost: `load` has what they said."""

    def returned(self) -> None:
        """Other servers considered this one gone: its devices may have been removed."""


class RoomStore(Protocol):
    """Keeps rooms. The conformance suite for one is `hubline.testing.RoomStoreSuite`.

    Messages of a room are numbered from 1, without a gap, in an epoch. Where confirmed messages were lost, the epoch
    changes. Changes of members are numbered too. Of both, everyone who watches the room hears, in the order of the
    numbers. Every method raises BackplaneError if the storage cannot be reached.
    """

    @property
    def shared(self) -> bool:
        """Whether other servers see the same rooms."""

    async def open(self, listener: RoomListener) -> None:
        """Begin to pass news to a listener. Idempotent; repeated in another event loop it begins anew."""

    async def watch(self, room: str, listener: RoomListener) -> None:
        """From the return on, the listener hears the news of a room."""

    async def unwatch(self, room: str, listener: RoomListener) -> None:
        """It need not hear them any more."""

    async def append(self, room: str, text: str, *, key: str, known: tuple[str, int] | None = None) -> Appended:
        """Add a message, once for each `key` within two minutes.

        `known` is the newest position that the caller has heard of: a storage that has lost it begins a new epoch.
        """

    async def load(self, room: str, *, after: tuple[str, int] | None, limit: int, version: int | None) -> Snapshot:
        """The newest messages after a position, at most `limit`; without a position, or with one that the room does
        not have, of all that are kept. The members, unless `version` is theirs."""

    async def earlier(self, room: str, before: int, limit: int) -> Page:
        """The newest messages before this number, at most `limit`."""

    async def enter(self, room: str, key: str, member: Presence, *, state: bool) -> int:
        """Add a member with one device, or the device to the member; devices that are away give way to it.

        With `state` its state becomes that of `member`. Idempotent. Returns the version of the room.
        """

    async def away(self, room: str, key: str, device_id: str) -> bool:
        """A device has gone, and may come back. If the member has others, it is removed at once.

        Returns whether it is still there: then `leave(…, if_away=True)` is due after the time of grace.
        """

    async def leave(self, room: str, key: str, device_id: str, *, if_away: bool = False) -> None:
        """Remove a device, and the member with its last one. `if_away`: unless it has come back. Idempotent."""

    async def set_state(self, room: str, key: str, state: str) -> bool:
        """Set the state of a member, in JSON. False if there is no such member."""

    async def signal(self, room: str, text: str) -> None:
        """Tell everyone who watches the room something that is not kept."""

    async def close(self) -> None:
        """Close the connections. The devices of this server stay until its lease ends. Idempotent."""


def device_item(device: Device) -> dict[str, Any]:
    """The form of a device in a storage."""
    return {"id": device.id, "name": device.name, "since": device.since, "node": device.node}


def presence_of(record: Mapping[str, Any]) -> Presence:
    """A member from its form in a storage: fields of `Presence`, with the items of devices."""
    devices = (
        Device(each["id"], each.get("name"), each.get("since"), each.get("node", ""))
        for each in record.get("devices") or ()
    )
    return Presence(record.get("user"), bool(record.get("agent")), record.get("state", "null"), tuple(devices))
