"""`Rooms`: history without a silent gap, and who is there."""

import asyncio
import json
import logging
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hubline import HubError, _worker
from hubline._clock import Clock, MonotonicClock
from hubline._mistakes import Mistakes
from hubline.backplanes.lines import pause
from hubline.errors import BackplaneError
from hubline.rooms.feed import OnPresence, RoomMember, member_of, message_item, newest_within
from hubline.rooms.following import Following
from hubline.rooms.joining import NO_MEMBER, Joining, JoinOptions, Membership
from hubline.rooms.limits import AllowInRoom, RoomAction, RoomLimits
from hubline.rooms.memory import MemoryRoomStore
from hubline.rooms.store import Device, Presence, RoomStore
from hubline.rooms.values import NO_ROOM, checked_name, checked_position, json_of, unreachable
from hubline.runs import Caller
from hubline.server.clients import Send
from hubline.server.invocations import Cancellation

logger = logging.getLogger("hubline.rooms")

ONE_WORKER = (
    "the rooms of Rooms are in the memory of each worker: clients of different workers do not meet. "
    "Give it a store that they share, or none"
)

TRIES = 8
"""How often a message is stored before the call fails: within about three seconds. Ours."""

LOOK_EVERY = 10.0
"""Seconds between two looks at the storage for news that were lost without a sign. Ours."""


class Rooms:
    """Rooms with a history and members. One object for an application; `RoomsHub` offers it to clients.

    `allow` decides about rights: `anyone` for public rooms. If it raises, the error is logged and the call refused.
    `store` keeps the rooms, by default in memory, for one server; in `hubline run --workers`, in a temporary file that
    the workers share. A member whose connections were lost leaves after
    `grace` seconds, if it has not come back, to whatever server. `on_presence(room, kind, member)` is called here with
    each change, `enter`, `update` or `leave`, of a room in which this server has somebody, or has had the one who
    leaves. It must not wait; its errors are logged.

    Raises:
        ConfigurationError: lists every value that is not valid.
    """

    def __init__(
        self,
        allow: AllowInRoom,
        *,
        store: RoomStore | None = None,
        grace: float = 10.0,
        limits: RoomLimits | None = None,
        on_presence: OnPresence | None = None,
        clock: Clock | None = None,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        mistakes = Mistakes("Rooms")
        mistakes.function("allow", allow)
        mistakes.has("store", store, "a store, as `MemoryRoomStore()`", "append", "load", "watch", optional=True)
        mistakes.number("grace", grace, least=0)
        mistakes.instance("limits", limits, RoomLimits, optional=True)
        mistakes.function("on_presence", on_presence, optional=True)
        mistakes.has("clock", clock, "a clock", "now", "sleep", optional=True)
        mistakes.function("now", now, optional=True)
        mistakes.tell()
        self._allow, self._grace, self._limits = allow, grace, limits or RoomLimits()
        self._clock, self._now, self._on_presence = clock or MonotonicClock(), now or _utc_now, on_presence
        self._store: RoomStore = _default_store(clock) if store is None else store
        self._loop: asyncio.AbstractEventLoop | None = None
        self._rechecks = 0
        """How often rights have changed."""
        if _worker.current is not None and _worker.current.number == 0 and not self._store.shared:
            logger.warning(ONE_WORKER)

    async def send(
        self, room: str, data: Any, *, by: str | None = None, key: str | None = None, caller: Caller | None = None
    ) -> str:
        """Add a message to a room; returns its position. All who are there get it, also on other servers.

        `data` is a JSON value. With a `key`, a message of a user that is sent again within two minutes is added once;
        anonymous users share their keys, which must be random. Without a `caller`, rights are not checked, and the
        message is `by` that user, or by nobody.

        Raises:
            HubError: the caller may not, the value is too large or no JSON, or the store cannot be reached.
        """
        await self._may("send", room, caller)
        user = caller.user_id if caller is not None else by
        return await self._send(room, data, user, f"u:{user}" if user is not None else "", key)

    async def signal(
        self, room: str, kind: str, value: Any = None, *, by: str | None = None, caller: Caller | None = None
    ) -> None:
        """Tell the others in a room something that is not kept: who types, a cursor.

        A client that is behind gets only the newest of one kind and sender. Raises HubError, as `send`.
        """
        await self._may("signal", room, caller)
        sender = caller or Caller(by)
        await self._signal(room, kind, value, sender.user_id, sender.connection_id)

    async def history(
        self, room: str, before: str | None = None, limit: int = 50, *, caller: Caller | None = None
    ) -> dict[str, Any]:
        """The `messages` before a position, or else the newest, the oldest first; at most `limit`.

        `more` says whether older ones are kept. Raises HubError, also for a position of another epoch.
        """
        await self._may("join", room, caller)
        limit, position = max(1, min(limit, self._limits.missed)), checked_position(before)
        with unreachable():
            await self._open()
            page = await self._store.earlier(room, 2**53 if position is None else position[1], limit)
        if position is not None and position[0] != page.epoch:
            raise HubError("The position is not of this history.")
        page = newest_within(page, self._limits.missed_bytes)
        messages = [message_item(page.epoch, seq, text) for seq, text in page.messages]
        return {"messages": messages, "more": bool(messages) and page.messages[0][0] > page.first}

    async def members(self, room: str, *, caller: Caller | None = None) -> list[RoomMember]:
        """The members of a room on all servers, by their keys. Raises HubError."""
        await self._may("join", room, caller)
        return [member_of(key, each) for key, each in sorted((await self._members(room)).items())]

    async def count(self, room: str, *, caller: Caller | None = None) -> int:
        """How many members a room has on all servers. Raises HubError."""
        await self._may("join", room, caller)
        return len(await self._members(room))

    @asynccontextmanager
    async def agent(self, room: str, name: str, *, state: Any = None) -> "AsyncIterator[Agent]":
        """A bot or a model is in the room while the block runs. Raises HubError."""
        checked_name(room, self._limits.name)
        text = json_of(state, self._limits.state)
        device = Device(f"agent-{secrets.token_urlsafe(9)}", None, self._at())
        membership = Membership(room, f"a:{name}", Presence(name, True, text, (device,)))
        with unreachable():
            await self._open()
            await self._joining.enter(membership, state=True)
        try:
            yield Agent(self, membership)
        finally:
            await self._joining.leave(membership)

    async def recheck(self, user_id: str | None) -> None:
        """A user's rights have changed: connections of this server leave the rooms that the user may not be in."""
        self._rechecks += 1
        if self._loop is asyncio.get_running_loop():
            await self._joining.recheck(lambda caller: caller.user_id == user_id, self._permits)

    async def close(self) -> None:
        """Stop, and close the store. Members of this server leave when its lease ends, unless they come back before."""
        if self._loop is asyncio.get_running_loop():
            self._loop = None
            await self._following.tasks.cancel()
            await self._store.close()

    def statistics(self) -> dict[str, int]:
        """The present numbers of this server."""
        if self._loop is None:
            return {"rooms": 0, "connections": 0, "memberships": 0, "tasks": 0}
        joining, following = self._joining, self._following
        return {
            "rooms": len(following.rooms),
            "connections": len(joining.connections),
            "memberships": sum(len(each.rooms) for each in joining.connections.values()),
            "tasks": len(following.tasks),
        }

    # For `RoomsHub`

    async def _join(
        self, room: str, since: object, options: JoinOptions, caller: Caller, send: Send, aborted: Cancellation
    ) -> dict[str, Any]:
        rechecks = self._rechecks
        await self._may("join", room, caller)
        checked_name(options.device or "d", self._limits.name)
        position = checked_position(since)
        state = json_of(options.state, self._limits.state)
        with unreachable():
            await self._open()
            found = await self._joining.join(room, position, options, state, self._at(), caller, send, aborted)
        if rechecks != self._rechecks:  # which may not have seen this one
            try:
                await self._may("join", room, self._joining.newest(caller))
            except BaseException:
                await self._joining.leave_room(caller.connection_id or "", room)
                raise
        return found

    async def _leave(self, room: str, connection_id: str) -> None:
        if self._loop is not None:
            await self._joining.leave_room(connection_id, room)

    async def _set_state(self, room: str, state: Any, caller: Caller) -> None:
        await self._may("join", room, caller)
        text = json_of(state, self._limits.state)
        membership = self._joining.found(caller.connection_id or "", room) if self._loop is not None else None
        if membership is None or not membership.visible:
            raise HubError(NO_MEMBER)
        with unreachable():
            await self._joining.set_state(membership, text)

    async def _renewed(self, caller: Caller) -> None:
        self._rechecks += 1
        if self._loop is not None:
            self._joining.renewed(caller)
            await self._joining.recheck(lambda each: each.connection_id == caller.connection_id, self._permits)

    # Below

    async def _send(self, room: str, data: Any, user: str | None, owner: str, key: str | None) -> str:
        text = json_of(data, self._limits.message)
        head = json.dumps({"at": self._at(), "by": user, "key": key}, ensure_ascii=False)
        unique = secrets.token_urlsafe(12) if key is None else f"{owner}\n{checked_name(key, self._limits.name)}"
        with unreachable():
            await self._open()
            attempt = 0
            while True:
                known = self._following.known(room)
                try:
                    added = await self._store.append(room, f'{head[:-1]}, "data": {text}}}', key=unique, known=known)
                    return f"{added.epoch}-{added.seq}"
                except BackplaneError:  # whether it was added is unknown, but the key is the same
                    attempt += 1
                    if attempt == TRIES:
                        raise
                    await self._clock.sleep(pause(attempt))

    async def _signal(
        self, room: str, kind: str, value: Any, by: str | None, connection_id: str | None, *, agent: bool = False
    ) -> None:
        checked_name(kind, self._limits.name)
        text = json_of(value, self._limits.state)
        head = {"kind": kind, "by": by, "agent": agent, "connectionId": connection_id}
        with unreachable():
            await self._open()
            await self._store.signal(room, f'{json.dumps(head)[:-1]}, "value": {text}}}')

    async def _members(self, room: str) -> dict[str, Presence]:
        with unreachable():
            await self._open()
            found = await self._store.load(room, after=None, limit=0, version=None)
        return dict(found.members or {})

    async def _may(self, action: RoomAction, room: str, caller: Caller | None) -> None:
        """Raises HubError: the name is none, or the caller may not."""
        checked_name(room, self._limits.name)
        if caller is not None and not await self._permits(action, room, caller):
            raise HubError(NO_ROOM)

    async def _permits(self, action: RoomAction, room: str, caller: Caller) -> bool:
        try:
            return bool(await self._allow(action, room, caller))
        except HubError:
            raise
        except Exception:
            logger.exception("allow failed for %s in room %.80s", action, room)
            return False

    async def _open(self) -> None:
        """Connect to the store, once for each event loop. Raises BackplaneError."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop = loop
            self._following = Following(
                self._store, self._limits.missed, self._clock, self._look_now, self._on_presence
            )
            self._joining = Joining(self._store, self._following, self._limits, self._grace, self._clock)
            if self._store.shared:
                self._following.tasks.start(self._look(), name="hubline.rooms: lost news")
        await self._store.open(self._following)

    async def _look(self) -> None:
        while True:
            await self._clock.sleep(LOOK_EVERY)
            await self._joining.restore()

    def _look_now(self) -> None:
        self._following.tasks.start(self._joining.restore(), name="hubline.rooms: this server is back")

    def _at(self) -> str:
        return self._now().astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Agent:
    """A bot or a model that is in a room."""

    _rooms: Rooms
    _membership: Membership

    async def send(self, data: Any, *, key: str | None = None) -> str:
        """A message of the agent; returns its position. Raises HubError."""
        name = self._membership.member.user
        return await self._rooms._send(self._membership.room, data, name, self._membership.key, key)

    async def set_state(self, state: Any) -> None:
        """What the others see of it, such as `{"thinking": true}`. Raises HubError."""
        text = json_of(state, self._rooms._limits.state)
        with unreachable():
            await self._rooms._joining.set_state(self._membership, text)

    async def signal(self, kind: str, value: Any = None) -> None:
        """Tell the others something that is not kept. Raises HubError."""
        await self._rooms._signal(self._membership.room, kind, value, self._membership.member.user, None, agent=True)


def _default_store(clock: Clock | None) -> RoomStore:
    """In memory; the workers of `hubline run --workers` share a file that lives as long as their parent."""
    if _worker.current is not None:
        with suppress(ImportError):  # a Python that was built without SQLite
            from hubline.rooms.sqlite_store import SQLiteRoomStore

            return SQLiteRoomStore(_worker.current.new_rooms(), temporary=True, clock=clock)
    return MemoryRoomStore(clock=clock)


def _utc_now() -> datetime:
    return datetime.now(UTC)
