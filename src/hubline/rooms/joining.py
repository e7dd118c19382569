"""The connections of this server that are in rooms: how they come, go away, come back and leave."""

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

from hubline import HubError
from hubline._clock import Clock
from hubline.backplanes.lines import pause
from hubline.errors import BackplaneError
from hubline.rooms.feed import Gap, Item, Message, member_of, newest_within, position
from hubline.rooms.following import CLOSED, Followed, Following, Local
from hubline.rooms.limits import RoomAction, RoomLimits
from hubline.rooms.store import Device, Page, Presence, RoomStore
from hubline.rooms.values import UNREACHABLE
from hubline.runs import Caller
from hubline.server.clients import Send
from hubline.server.invocations import Cancellation
from hubline.server.recipients import Unawaited
from hubline.wire.messages import Invocation
from hubline.wire.packet import SerializedMessage

logger = logging.getLogger("hubline.rooms")

TRIES = 20
"""How often a join asks again because the history was lost meanwhile. Ours."""

NO_MEMBER = "Only members have a state: join the room first."

WAIT = 5.0
"""Seconds that a caller waits until a member has left, if the store cannot be reached. Ours."""

Permits = Callable[[RoomAction, str, Caller], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class JoinOptions:
    """How to join a room."""

    device: str | None = None
    """What the client calls itself, such as `phone`."""
    state: Any = None
    """The state of the member. Without it, the state that it has on other devices stays."""
    visible: bool = True
    """Whether it is a member; otherwise it only reads."""
    presence: bool = True
    """Whether it is told of members."""
    history: int | None = None
    """How many messages to begin with, at most, when there is no position. By default as many as are kept, at most
    `RoomLimits.missed`."""


@dataclass(slots=True)
class Membership:
    """A device of this server in a room."""

    room: str
    key: str
    member: Presence
    """With this device alone, and the state that was set here last."""
    visible: bool = True
    followed: Followed | None = None
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while an agent comes, changes or goes; for a client that of its connection is."""

    @property
    def device_id(self) -> str:
        return self.member.devices[0].id


@dataclass(slots=True)
class Connection:
    """A connection of this server with its rooms."""

    caller: Caller
    send: Send
    rooms: dict[str, Membership] = field(default_factory=dict)
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while it joins or leaves a room."""
    gone: bool = False


class Joining:
    """The connections and agents of this server in their rooms."""

    def __init__(self, store: RoomStore, following: Following, limits: RoomLimits, grace: float, clock: Clock) -> None:
        self._store, self._following, self._limits = store, following, limits
        self._grace, self._clock = grace, clock
        self.connections: dict[str, Connection] = {}
        self._agents: list[Membership] = []

    async def join(
        self,
        room: str,
        since: tuple[str, int] | None,
        options: JoinOptions,
        state: str,
        at: str,
        caller: Caller,
        send: Send,
        aborted: Cancellation,
    ) -> dict[str, Any]:
        """Join, or join again. Raises HubError, BackplaneError."""
        connection = self._connection(caller, send, aborted)
        async with connection.changing:
            if connection.gone:
                raise HubError("The connection has ended.")
            membership = connection.rooms.get(room)
            if membership is None and len(connection.rooms) >= self._limits.per_connection:
                raise HubError(f"A connection may be in {self._limits.per_connection} rooms at once.")
            made = _membership(room, caller, options, state, at)
            if membership is not None and options.state is None:
                made.member = replace(made.member, state=membership.member.state)
            followed = membership.followed if membership is not None else await self._following.hold(room)
            assert followed is not None
            made.followed = followed
            local = Local(caller.connection_id or "", send, options.presence)
            followed.locals[local.connection_id] = local
            connection.rooms[room] = made
            try:
                if made.visible:
                    await self._enter(made, state=options.state is not None)
                elif membership is not None and membership.visible:
                    await self._store.leave(room, membership.key, membership.device_id)
                found = await self._joined(followed, local, since, options)
            except BaseException:
                await self._leave(connection, made)
                raise
            return {"room": room, "key": made.key if made.visible else None, **found}

    async def enter(self, membership: Membership, *, state: bool) -> None:
        """An agent comes. Raises BackplaneError."""
        membership.followed = await self._following.hold(membership.room)
        self._agents.append(membership)
        try:
            async with membership.changing:
                await self._enter(membership, state=state)
        except BaseException:
            await self.leave(membership)
            raise

    async def leave(self, membership: Membership) -> None:
        """An agent goes. Raises nothing."""
        async with membership.changing:
            if membership in self._agents:
                self._agents.remove(membership)
            await self._out(membership)

    async def leave_room(self, connection_id: str, room: str) -> None:
        """A connection leaves on purpose. Idempotent."""
        connection = self.connections.get(connection_id)
        if connection is None:
            return
        async with connection.changing:
            membership = connection.rooms.get(room)
            if membership is not None:
                await self._leave(connection, membership)

    async def set_state(self, membership: Membership, state: str) -> None:
        """Raises HubError: it has left meanwhile; BackplaneError."""
        async with self._lock_of(membership):
            if not self._is_in(membership):
                raise HubError(NO_MEMBER)
            membership.member = replace(membership.member, state=state)
            if not await self._store.set_state(membership.room, membership.key, state):
                await self._enter(membership, state=True)

    def found(self, connection_id: str, room: str) -> Membership | None:
        """The membership of a connection, if it has joined."""
        connection = self.connections.get(connection_id)
        return connection.rooms.get(room) if connection is not None else None

    def renewed(self, caller: Caller) -> None:
        """A connection has a newer identity."""
        connection = self.connections.get(caller.connection_id or "")
        if connection is not None:
            connection.caller = caller

    def newest(self, caller: Caller) -> Caller:
        """The caller, as the connection knows it by now."""
        connection = self.connections.get(caller.connection_id or "")
        return caller if connection is None else connection.caller

    async def recheck(self, concerned: Callable[[Caller], bool], permits: Permits) -> None:
        """Take connections out of rooms that they may not be in any more, and tell them."""
        for connection in [each for each in self.connections.values() if concerned(each.caller)]:
            for room in list(connection.rooms):
                if await _permitted(permits, room, connection.caller):
                    continue
                await self.leave_room(connection.caller.connection_id or "", room)
                message = SerializedMessage(Invocation(target=CLOSED, arguments=(room,)))
                try:
                    await connection.send(Unawaited((connection.caller.connection_id or "",)), message)
                except Exception:  # of a filter
                    logger.exception("room %.80s: a connection was not told that it has left", room)

    async def restore(self) -> None:
        """Complete every room, and be in those in which this server's devices were forgotten."""
        await self._following.look()
        own = [each for connection in self.connections.values() for each in connection.rooms.values()]
        for membership in [*own, *self._agents]:
            followed = membership.followed
            there = followed.feed.members.get(membership.key) if followed is not None else None
            known = there is not None and any(each.id == membership.device_id for each in there.devices)
            if membership.visible and not known:
                try:
                    async with self._lock_of(membership):
                        if self._is_in(membership):  # it may have left meanwhile
                            await self._enter(membership, state=False)
                except BackplaneError as error:
                    logger.warning(
                        "room %.80s: %s could not enter it again: %s", membership.room, membership.key, error
                    )

    async def _joined(
        self, followed: Followed, local: Local, since: tuple[str, int] | None, options: JoinOptions
    ) -> dict[str, Any]:
        """The history up to a position. From it on, the connection gets what comes."""
        feed, most = followed.feed, self._limits.missed
        limit = most if since is not None or options.history is None else max(0, min(options.history, most))
        for _ in range(TRIES):
            local.heard = []
            found = await self._store.load(followed.room, after=since, limit=limit, version=feed.version)
            page, heard = found.page, local.heard
            if page.epoch != feed.epoch or any(isinstance(each, Gap) for each in heard):
                await asyncio.shield(followed.catch_up())
                continue
            feed.present(found)
            items, end = self._items(followed, page, [each for each in heard if isinstance(each, Message)])
            start = 0 if since is None else since[1]
            whole = since is None or (since[0] == page.epoch and start <= page.end)
            local.epoch, local.after, local.changes, local.heard = page.epoch, end, feed.changes, None
            members = sorted(feed.members.items())[: self._limits.listed]
            return {
                "position": position(page.epoch, end),
                "complete": whole and len(items) == end - start,
                "messages": items,
                "members": [member_of(key, each).item() for key, each in members] if options.presence else [],
                "changes": feed.changes,
                "count": len(feed.members),
            }
        raise HubError(UNREACHABLE)

    def _items(self, followed: Followed, page: Page, heard: list[Message]) -> tuple[list[Item], int]:
        """The messages of a page and those that have come since, and the number of the last one."""
        items, end = followed.feed.items(newest_within(page, self._limits.missed_bytes)), page.end
        for each in heard:
            if each.epoch == page.epoch and each.seq > end:
                items.append(each.item)
                end = each.seq
        return items, end

    def _connection(self, caller: Caller, send: Send, aborted: Cancellation) -> Connection:
        connection_id = caller.connection_id or ""
        found = self.connections.get(connection_id)
        if found is None:
            found = self.connections[connection_id] = Connection(caller, send)
            watching = self._until_gone(found, aborted)
            self._following.tasks.start(watching, name="hubline.rooms: a connection", context=contextvars.Context())
        return found  # with its newest identity: this call may have begun with an older one

    async def _until_gone(self, connection: Connection, aborted: Cancellation) -> None:
        """When a connection ends, its devices are away; they leave after the time of grace."""
        await aborted.wait()
        async with connection.changing:
            connection.gone = True
            self.connections.pop(connection.caller.connection_id or "", None)
            memberships = list(connection.rooms.values())
            connection.rooms.clear()
            for membership in memberships:
                if membership.followed is not None:
                    membership.followed.locals.pop(membership.device_id, None)
        for membership in memberships:
            going = self._leave_later(membership)
            self._following.tasks.start(going, name="hubline.rooms: a time of grace", context=contextvars.Context())

    async def _leave_later(self, membership: Membership) -> None:
        """The room is followed until then: this server hears of it too."""
        room, key, device_id = membership.room, membership.key, membership.device_id
        if not membership.visible:
            pass
        elif membership.member.user is None or not self._grace:  # nobody can come back as the same anonymous user
            await self._surely(lambda: self._store.leave(room, key, device_id))
        elif await self._surely(lambda: self._store.away(room, key, device_id)):
            await self._clock.sleep(self._grace)
            await self._surely(lambda: self._store.leave(room, key, device_id, if_away=True))
        await self._release(membership)

    async def _surely(self, do: Callable[[], Awaitable[Any]]) -> Any:
        """Try until the storage has answered."""
        attempt = 0
        while True:
            try:
                return await do()
            except BackplaneError:
                await self._clock.sleep(pause(attempt))
                attempt += 1

    def _lock_of(self, membership: Membership) -> asyncio.Lock:
        connection = self.connections.get(membership.device_id)
        return connection.changing if connection is not None else membership.changing

    def _is_in(self, membership: Membership) -> bool:
        """Whether this is an agent that is there, or the present membership of a connection."""
        connection = self.connections.get(membership.device_id)
        there = self._agents if connection is None else connection.rooms.values()
        return any(each is membership for each in there)

    async def _enter(self, membership: Membership, *, state: bool) -> None:
        await self._store.enter(membership.room, membership.key, membership.member, state=state)

    async def _leave(self, connection: Connection, membership: Membership) -> None:
        """Out of a room at once. Raises nothing."""
        connection.rooms.pop(membership.room, None)
        if membership.followed is not None:
            membership.followed.locals.pop(membership.device_id, None)
        await self._out(membership)

    async def _out(self, membership: Membership) -> None:
        tasks, room, key = self._following.tasks, membership.room, membership.key
        if not await tasks.done_before(tasks.start(self._left(membership)), self._clock.sleep(WAIT)):
            logger.warning("room %.80s: %s leaves it when the store can be reached", room, key)

    async def _left(self, membership: Membership) -> None:
        if membership.visible:
            await self._surely(lambda: self._store.leave(membership.room, membership.key, membership.device_id))
        await self._release(membership)

    async def _release(self, membership: Membership) -> None:
        followed, membership.followed = membership.followed, None
        if followed is not None:
            await self._following.release(followed)


async def _permitted(permits: Permits, room: str, caller: Caller) -> bool:
    try:
        return await permits("join", room, caller)
    except HubError:  # a refusal with a text of its own
        return False


def _membership(room: str, caller: Caller, options: JoinOptions, state: str, at: str) -> Membership:
    connection_id = caller.connection_id or ""
    key = f"c:{connection_id}" if caller.user_id is None else f"u:{caller.user_id}"
    device = Device(connection_id, options.device, at)
    return Membership(room, key, Presence(caller.user_id, False, state, (device,)), options.visible)
