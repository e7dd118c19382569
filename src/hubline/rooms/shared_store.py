"""Rooms that several servers share, whatever keeps them: the connection, the lease, and what was heard of each room."""

import asyncio
import secrets
from abc import ABC, abstractmethod
from dataclasses import dataclass

from hubline._clock import Clock, MonotonicClock
from hubline._mistakes import Mistakes
from hubline._tasks import TaskOwner
from hubline.rooms.store import RoomListener
from hubline.runs.leases import Leases, Members

LIFE = 60
"""Leases for which what is there outlasts the last server that looks after it: members in Redis, a room without
messages in SQL. Ours: an outage of ten minutes."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a server has heard of a room: its newest position and the newest version of its members."""

    epoch: str = ""
    seq: int = 0
    version: int = 0


def check(mistakes: Mistakes, *, history: int, keep: float, lease: float, clock: Clock | None) -> None:
    """The settings that every shared store has."""
    mistakes.whole("history", history, above=0)
    mistakes.number("keep", keep, above=0)
    mistakes.number("lease", lease, above=0)
    mistakes.has("clock", clock, "a clock", "now", "sleep", optional=True)


class SharedRoomStore(ABC):
    """The part of a `RoomStore` that all shared ones have. A subclass calls `_begin_anew` when it is made."""

    def __init__(self, where: str, *, lease: float, clock: Clock | None) -> None:
        self._where, self._lease = where, lease
        self._clock = clock or MonotonicClock()
        self._listener: RoomListener | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._opening = asyncio.Lock()
        self._open = False

    def _begin_anew(self) -> None:
        self.node = secrets.token_urlsafe(9)
        """The name of this server."""
        self._life = round(self._lease * LIFE * 1000)
        self._tasks = TaskOwner(f"hubline.rooms in {self._where}")
        self._leases = Leases(self.node, self._make(), None, self._lease, self._clock)
        self._known: dict[str, Known] = {}
        """Of each watched room what was heard of it."""

    @property
    def shared(self) -> bool:
        """Yes."""
        return True

    async def open(self, listener: RoomListener) -> None:
        """Connect, once for each event loop. Raises BackplaneError."""
        loop = asyncio.get_running_loop()
        if self._open and self._loop is loop and self._listener is listener:
            return
        if self._loop is not loop:
            if self._open:
                self._forget_loop()
                self._tasks.forget()
                self._open = False
                self._begin_anew()
            self._loop, self._opening = loop, asyncio.Lock()
        self._listener = listener
        async with self._opening:
            if self._open:
                return
            await self._reach()
            try:
                await self._start()
                await self._leases.take()
            except BaseException:
                await self._disconnect()
                self._begin_anew()
                raise
            self._open = True
            self._tasks.start(self._leases.keep(), name="hubline.rooms: the lease")
            self._start_tasks()
            self._tasks.start(self._leases.renew(self._renew, _spare), name="hubline.rooms: what is renewed")
            self._tasks.start(self._leases.watch((), _never), name="hubline.rooms: other servers")

    async def close(self) -> None:
        """Close the connections. Its devices stay until the lease ends: whoever comes back before is not missed."""
        if not self._open:
            return
        async with self._opening:
            self._open = False
            await self._tasks.cancel()
            await self._disconnect()
            self._begin_anew()

    def _note(self, room: str, epoch: str | None, seq: int, version: int) -> None:
        """A position and a version of a room were heard of; without an epoch, in the present one."""
        known = self._known.get(room)
        if known is not None and epoch in (None, known.epoch):
            self._known[room] = Known(known.epoch, max(known.seq, seq), max(known.version, version))
        elif known is not None and epoch is not None:
            self._known[room] = Known(epoch, seq, version)

    # What a storage does

    @abstractmethod
    def _make(self) -> Members:
        """Make the connections for the server `node`, without opening them, and what works on them."""

    async def _reach(self) -> None:  # noqa: B027 - a storage may need nothing before `_start`
        """Before `_start`. If it raises, nothing is open, and the server keeps its name. Raises BackplaneError."""

    @abstractmethod
    async def _start(self) -> None:
        """Open the connections. If it raises, `_disconnect` is called. Raises BackplaneError."""

    def _start_tasks(self) -> None:  # noqa: B027 - a storage may need no tasks of its own
        """Start what else runs while the store is open."""

    @abstractmethod
    async def _renew(self) -> None:
        """Three times in a lease. Raises BackplaneError."""

    @abstractmethod
    async def _disconnect(self) -> None:
        """Close the connections, those that were opened. Raises nothing."""

    def _forget_loop(self) -> None:  # noqa: B027 - a storage may have nothing to give up
        """Give up connections of an event loop that has gone. Raises nothing."""


async def _spare(node: str) -> None:
    """Members stay as long as `life` in Redis, and until they are removed in SQL: no takeover takes so long."""


async def _never(room: str, fence: int) -> None:
    """Rooms have no owner."""
