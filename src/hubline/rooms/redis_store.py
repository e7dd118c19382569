"""Rooms in Redis or Valkey, for several servers: Redis Streams for messages. Needs the extra `redis`."""

import json
import logging
import secrets
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from redis.asyncio import Redis, RedisCluster

from hubline._clock import Clock
from hubline._mistakes import Mistakes
from hubline.backplanes.redis_commands import Commands, Script
from hubline.backplanes.redis_connections import Connections
from hubline.backplanes.redis_hearing import Hearing
from hubline.errors import BackplaneError
from hubline.rooms.memory import KEYS_FOR
from hubline.rooms.redis_members import RedisRoomMembers
from hubline.rooms.redis_scripts import (
    APPEND,
    AWAY,
    ENTER,
    LEAVE,
    LOAD,
    STATE,
    channel_of,
    key_of,
    keys_of,
    unescaped,
)
from hubline.rooms.shared_store import Known, SharedRoomStore, check
from hubline.rooms.store import Appended, Page, Presence, RoomListener, Snapshot, device_item, presence_of

__all__ = ["RedisRoomStore"]

logger = logging.getLogger("hubline.rooms")


class RedisRoomStore(SharedRoomStore):
    """A `RoomStore` for several servers: the newest `history` messages of each room, none older than `keep` seconds.

    `redis` is an address or a client, as `hubline.backplanes.redis.RedisBackplane` takes it. A server renews its lease
    of `lease` seconds while it lives; when it lapses, the others remove its devices. An object is for one `Rooms`. It
    has one connection to ask and one to hear, whatever the number of rooms. After `keep` seconds without a message and
    a member a room is forgotten.

    Raises:
        ConfigurationError: lists every value that is not valid; the address is none, or the client of another kind.
    """

    def __init__(
        self,
        redis: str | Redis | RedisCluster = "redis://localhost:6379",
        *,
        history: int = 1_000,
        keep: float = 86_400.0,
        lease: float = 10.0,
        clock: Clock | None = None,
    ) -> None:
        mistakes = Mistakes("RedisRoomStore")
        check(mistakes, history=history, keep=keep, lease=lease, clock=clock)
        mistakes.tell()
        super().__init__("Redis", lease=lease, clock=clock)
        self._history, self._keep = history, round(keep * 1000)
        self._connections = Connections(redis)
        self._begin_anew()

    def _make(self) -> RedisRoomMembers:
        self._commands = Commands(self._connections, self._clock)
        self._hearing = Hearing(self._connections, self, "", self._clock)
        self._members = RedisRoomMembers(self._commands, round(self._lease * 1000), self._life)
        self._devices: dict[str, set[str]] = {}
        """The devices of this server in each room."""
        return self._members

    async def _reach(self) -> None:
        await self._commands.start()

    async def _start(self) -> None:
        await self._hearing.start()

    async def watch(self, room: str, listener: RoomListener) -> None:
        """Subscribe to the news of a room. Raises BackplaneError."""
        await self._hearing.subscribe([channel_of(room)])
        self._known.setdefault(room, Known())

    async def unwatch(self, room: str, listener: RoomListener) -> None:
        """End the subscription; without a connection it ends by itself."""
        self._known.pop(room, None)
        await self._hearing.leave([channel_of(room)])

    async def append(self, room: str, text: str, *, key: str, known: tuple[str, int] | None = None) -> Appended:
        """Add a message to the stream. Raises BackplaneError: whether it was added is not known."""
        epoch, seq = known or ("", 0)
        state, log, _ = keys_of(room)
        found = await self._commands.run(
            APPEND,
            [state, log, key_of(room, key)],
            *(text, self._history, self._keep, epoch, seq, secrets.token_urlsafe(6), channel_of(room)),
            round(KEYS_FOR * 1000),
        )
        return Appended(found[0].decode(), found[1], bool(found[2]))

    async def load(self, room: str, *, after: tuple[str, int] | None, limit: int, version: int | None) -> Snapshot:
        """A room in one step. Raises BackplaneError."""
        return await self._load(room, after or ("", 0), limit, "" if version is None else version, "")

    async def earlier(self, room: str, before: int, limit: int) -> Page:
        """Messages from the stream. Raises BackplaneError."""
        return (await self._load(room, ("", 0), limit, "-", before)).page

    async def enter(self, room: str, key: str, member: Presence, *, state: bool) -> int:
        """Add a device of this server. Raises BackplaneError."""
        self._devices.setdefault(room, set()).update(each.id for each in member.devices)
        await self._members.own(self.node, room)
        record = {
            "user": member.user,
            "agent": member.agent,
            "state": member.state,
            "devices": [{**device_item(each), "node": self.node} for each in member.devices],
        }
        return int(await self._change(ENTER, room, key, json.dumps(record), int(state)))

    async def away(self, room: str, key: str, device_id: str) -> bool:
        """Mark a device. Raises BackplaneError."""
        is_away = bool(await self._change(AWAY, room, key, device_id))
        if not is_away:
            await self._without(room, device_id)
        return is_away

    async def leave(self, room: str, key: str, device_id: str, *, if_away: bool = False) -> None:
        """Remove a device. Raises BackplaneError."""
        await self._change(LEAVE, room, key, device_id, int(if_away))
        await self._without(room, device_id)

    async def set_state(self, room: str, key: str, state: str) -> bool:
        """Set the state of a member. Raises BackplaneError."""
        return bool(await self._change(STATE, room, key, state))

    async def signal(self, room: str, text: str) -> None:
        """Publish. Raises BackplaneError."""
        await self._commands.call("PUBLISH", channel_of(room), f"s {text}")

    def received(self, channel: str, payload: bytes) -> bool:
        """A message on a subscribed channel."""
        listener, room = self._listener, unescaped(channel[len("hubline:history:{") : -len("}:news")])
        if listener is None:
            return False
        kind, _, rest = payload.partition(b" ")
        try:
            if kind == b"m":
                epoch, number, text = rest.split(b" ", 2)
                self._note(room, epoch.decode(), int(number), 0)
                listener.message(room, epoch.decode(), int(number), text.decode())
            elif kind == b"p":
                version, size, named = rest.split(b" ", 2)
                key, record = named[: int(size)].decode(), named[int(size) :]
                self._note(room, None, 0, int(version))
                listener.presence(room, int(version), key, presence_of(json.loads(record)) if record else None)
            elif kind == b"s":
                listener.signal(room, rest.decode())
        except Exception:
            logger.exception("news of room %.80s could not be read", room)
        return False

    def interrupted(self, since: datetime, until: datetime) -> None:
        """Messages may have been missed."""
        if self._listener is not None:
            self._listener.interrupted()

    async def _renew(self) -> None:
        """Three times in a lease. Raises BackplaneError."""
        if self._members.lapsed:
            for room in list(self._devices):  # who was about to take it over may not have seen that it is back
                await self._members.own(self.node, room)
            self._members.lapsed = False
            if self._listener is not None:
                self._listener.returned()

    async def _load(self, room: str, after: tuple[str, int], limit: int, version: Any, before: Any) -> Snapshot:
        known = self._known.get(room, Known())
        last = known.epoch, known.seq, before, self._life, known.version
        figures = (*after, limit, version, self._keep, secrets.token_urlsafe(6), *last)
        epoch, end, first, found, number, members = await self._commands.run(LOAD, keys_of(room), *figures)
        self._note(room, epoch.decode(), end, number)
        messages = [(int(name.partition(b"-")[0]), fields[1].decode()) for name, fields in reversed(found)]
        present = None if version in (number, "-") else _pairs(members)
        return Snapshot(Page(epoch.decode(), end, first, messages), number, present)

    async def _change(self, script: Script, room: str, *figures: Any) -> Any:
        state, _, members = keys_of(room)
        fixed = channel_of(room), secrets.token_urlsafe(6), self._life
        return await self._commands.run(script, [state, members], *fixed, *figures)

    async def _without(self, room: str, device_id: str) -> None:
        """A device of this server is not in a room any more. With the last one it is none of the server's rooms."""
        devices = self._devices.get(room)
        if devices is not None:
            devices.discard(device_id)
            if not devices:
                del self._devices[room]
                await self._members.disown(room, self.node)

    async def _disconnect(self) -> None:
        with suppress(BackplaneError):
            await self._commands.close()
        with suppress(BackplaneError):
            await self._hearing.close()


def _pairs(members: Sequence[bytes]) -> dict[str, Presence]:
    pairs = zip(members[::2], members[1::2], strict=True)
    return {key.decode(): presence_of(json.loads(record)) for key, record in pairs}
