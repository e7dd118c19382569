"""Rooms of a hub that includes Hubline's `RoomsHub`, followed over lost connections."""

import asyncio
import logging
import secrets
from collections import deque
from contextlib import suppress
from types import TracebackType
from typing import Any, Protocol, TypeVar

import msgspec

from hubline._tasks import TaskOwner
from hubline.client.calls import Calls
from hubline.client.following import FOR_GOOD, Line, pause, repeated
from hubline.client.room_calls import MEMBERS, Incoming, before, split
from hubline.client.room_events import (
    Change,
    Joined,
    RoomEvent,
    RoomGap,
    RoomMember,
    RoomMessage,
    RoomPage,
    RoomPresence,
    RoomSignal,
)
from hubline.errors import ConnectionClosed, InvocationError

logger = logging.getLogger("hubline.client")

NO_ROOM = "The room does not exist."

T = TypeVar("T")


class RoomLine(Line, Protocol):
    """What a room is followed over: a `HubConnection`."""

    _calls: Calls
    _buffer: int


class JoinedRoom:
    """A room of the server, from `async with hub.join_room(name)` on. `HubConnection.join_room` makes it.

    `async for event in room` gives a `RoomMessage` for each message, once and in order, over every loss of the
    connection; a `RoomGap` where messages are missing; a `RoomPresence` for each change of the members, and a
    `RoomSignal` for what is not kept. It ends when the room is left. We are in the room, and come back after a lost
    connection, whether or not somebody reads; a reader that is behind by more than `buffer` events of its connection
    gets what it missed from the history.
    """

    def __init__(self, line: RoomLine, name: str, since: str | None, options: dict[str, Any]) -> None:
        self._line, self._name, self._options = line, name, options
        self._position = self._last = since
        """Of the last event that was read, and of the last that was heard."""
        self._members: dict[str, RoomMember] = {}
        self._changes = 0
        """The number of the newest change that their list included: older ones may still be on their way."""
        self._incoming = Incoming(name, line._buffer, options, lambda: self._last)
        self._is_in = self._has_begun = False
        self._has_asked = False
        """Whether the server may have put us into the room."""
        self._joined = asyncio.Event()
        self._events: deque[RoomEvent] = deque()
        self._readable, self._writable = asyncio.Event(), asyncio.Event()
        self._error: Exception | None = None
        self._tasks, self._leaving = TaskOwner("hubline client: a room"), TaskOwner("hubline client: a room")

    @property
    def name(self) -> str:
        """The name of the room."""
        return self._name

    @property
    def position(self) -> str | None:
        """Up to where events were read: `join_room(since=…)` continues there. `None` before the first join."""
        return self._position

    @property
    def members(self) -> tuple[RoomMember, ...]:
        """Who is there, as far as it is known."""
        return tuple(self._members.values())

    @property
    def live(self) -> bool:
        """Whether the room is joined at present."""
        return self._is_in and self._incoming.connected

    async def __aenter__(self) -> "JoinedRoom":
        """Join.

        Raises:
            InvocationError: the server refuses.
            ConnectionClosed: there is no connection, and none is being restored.
        """
        if self._has_begun:
            raise RuntimeError("the room was joined before: make another one")
        self._has_begun = True
        self._line._calls.listeners.append(self._incoming)
        self._tasks.start(self._work(), name=f"hubline client: the room {self._name:.40}")
        try:
            await self._joined.wait()
            if self._error is not None:
                raise self._error
        except BaseException:
            await self.leave()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.leave()

    def __aiter__(self) -> "JoinedRoom":
        return self

    async def __anext__(self) -> RoomEvent:
        """The next event. Raises InvocationError when we may not be in the room any more; ConnectionClosed."""
        while not self._events:
            if self._error is not None:
                raise self._error
            if not len(self._tasks):
                raise StopAsyncIteration
            self._readable.clear()
            await self._readable.wait()
        event = self._events.popleft()
        self._writable.set()
        if isinstance(event, RoomMessage | RoomGap):
            self._position = event.position
        return event

    async def send(self, data: Any, *, key: str | None = None) -> str:
        """Add a message, once, even if the connection is lost meanwhile; its position.

        Raises:
            InvocationError: the server refuses.
            ConnectionClosed: the connection is over, and is not restored.
        """
        key = secrets.token_urlsafe(12) if key is None else key
        position: str = await repeated(self._line, "SendToRoom", self._name, data, key, result_type=str)
        return position

    async def signal(self, kind: str, value: Any = None) -> None:
        """Tell the others something that is not kept. Without a connection it is dropped. Raises InvocationError."""
        if self.live:
            with suppress(ConnectionClosed):
                await self._line.invoke("SignalRoom", self._name, kind, value)

    async def set_state(self, state: Any) -> None:
        """Set our state, now and after each reconnect. Raises InvocationError."""
        self._options["state"] = state
        if self.live:
            with suppress(ConnectionClosed):
                await self._line.invoke("SetRoomState", self._name, state)

    async def history(self, before: str | None = None, limit: int = 50) -> RoomPage:
        """Older messages: those before a position, by default the newest. Raises the errors of `send`."""
        page: RoomPage = await repeated(self._line, "RoomHistory", self._name, before, limit, result_type=RoomPage)
        return page

    async def leave(self) -> None:
        """Leave at once. Events that were not read are still there; then the loop ends. Idempotent.

        It goes on if its caller is cancelled.
        """
        await asyncio.shield(self._leaving.start(self._leave(), name=f"hubline client: leaves {self._name:.40}"))

    async def _leave(self) -> None:
        await self._tasks.cancel()
        listeners = self._line._calls.listeners
        if self._incoming in listeners:
            listeners.remove(self._incoming)
            if self._has_asked and self._incoming.connected and not self._others():
                with suppress(ConnectionClosed, InvocationError):
                    await self._line.invoke("LeaveRoom", self._name)
        self._is_in = False
        self._readable.set()

    def _others(self) -> list[Incoming]:
        """Others who follow the same room over the same connection."""
        found = (each for each in self._line._calls.listeners if isinstance(each, Incoming))
        return [each for each in found if each is not self._incoming and each.room == self._name]

    def _for_all(self) -> dict[str, Any]:
        """The options of a join, for the server has one answer for all who follow the room over the connection."""
        options = [self._options, *(each.options for each in self._others())]
        return {**self._options, **{name: any(each[name] for each in options) for name in ("visible", "presence")}}

    async def _work(self) -> None:
        try:
            await self._follow()
        except Exception as error:
            if not isinstance(error, InvocationError | ConnectionClosed):
                logger.exception("the room %.80s cannot be followed", self._name)
            self._error, self._is_in, self._has_asked = error, False, False
            self._joined.set()
            self._readable.set()

    async def _follow(self) -> None:
        line, failures = self._line, 0
        while True:
            await line.connected()
            self._is_in = self._is_in and self._incoming.connected
            self._incoming.begin()
            self._has_asked, state = True, self._options.get("state")
            arguments = (self._name, self._last, self._for_all())
            try:
                found = await line.invoke("JoinRoom", *arguments, result_type=Joined)
            except ConnectionClosed:
                continue
            except InvocationError as error:
                self._has_asked = False
                if FOR_GOOD.search(error.message):
                    raise
                await line._clock.sleep(pause(failures))
                failures += 1
                continue
            failures, self._is_in, self._incoming.joined = 0, True, True
            for other in self._others():  # the server has sent nothing until it had this answer for the connection
                other.missed(found, self._incoming)
            if self._options.get("state") is not state:  # it was set while the join was on its way
                with suppress(ConnectionClosed, InvocationError):
                    await line.invoke("SetRoomState", self._name, self._options["state"])
            await self._begin(found)
            while (call := await self._incoming.next()) is not None and await self._apply(*call):
                pass

    async def _begin(self, found: Joined) -> None:
        self._list(found)
        self._joined.set()
        if self._last is not None and not found.complete:
            first = found.messages[0].position if found.messages else found.position
            await self._put(RoomGap(before(first) if found.messages else first))
        for message in found.messages:
            await self._put(message)
        if self._position is None and not found.messages:
            self._position = found.position
        self._last = found.position
        await self._replace(found)

    async def _apply(self, target: str, value: Any) -> bool:
        """Something that the server has called. False if a message before it is missing."""
        if target == "RoomMessage":
            message = msgspec.convert(value, RoomMessage)
            (epoch, number), (ours, last) = split(message.position), split(self._last)
            if epoch != ours or number > last + 1:
                return False
            if number == last + 1:
                await self._put(message)
        elif target == "RoomGap":
            gap = msgspec.convert(value, RoomGap)
            (epoch, number), (ours, last) = split(gap.position), split(self._last)
            if epoch != ours or number > last:
                await self._put(gap)
        elif target == MEMBERS:
            await self._replace(value)
        elif target == "RoomPresence" and not self._options["presence"]:
            pass  # another one who follows the room wants it
        elif target == "RoomPresence":
            change = msgspec.convert(value, Change)
            if change.number is None or change.number > self._changes:
                change.apply(self._members)
                await self._put(RoomPresence(change.kind, change.member, self.members))
        elif target == "RoomSignal":
            await self._put(msgspec.convert(value, RoomSignal))
        else:
            raise InvocationError("JoinRoom", NO_ROOM)
        return True

    def _list(self, found: Joined) -> None:
        self._changes = found.changes
        if self._options["presence"]:
            self._members = {member.key: member for member in found.members}

    async def _replace(self, found: Joined) -> None:
        """There is a new list of members."""
        self._list(found)
        if self._options["presence"]:
            await self._put(RoomPresence("members", None, self.members))

    async def _put(self, event: RoomEvent) -> None:
        while len(self._events) >= self._line._buffer:
            self._writable.clear()
            await self._writable.wait()
        self._events.append(event)
        if isinstance(event, RoomMessage | RoomGap):
            self._last = event.position
        self._readable.set()
