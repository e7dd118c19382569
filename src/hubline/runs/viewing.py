"""Streams to clients: viewers of one run, and watchers of the list of runs."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from hubline import HubError
from hubline._tasks import wake_up
from hubline.runs.cursor import Cursor, Follower, Pacer
from hubline.runs.info import NO_RUN, Caller
from hubline.runs.record import Record
from hubline.runs.settings import Settings
from hubline.runs.tape import Shared
from hubline.streams.download import WritesItself
from hubline.streams.ports import Cancellable, ItemWriter

PENDING = 256
"""Changes that wait for a watcher; beyond it, only the newest of each run. Ours."""


class Viewer:
    """One open stream of a run's items."""

    def __init__(self, record: Record, caller: Caller | None, pacer: Pacer) -> None:
        self.record, self.caller, self.pacer = record, caller, pacer
        self.refused = False
        self.follower: Follower | None = None
        """Set while the pacer writes for it."""

    def move(self, record: Record) -> None:
        """Another server has the run now, or this one; the tape is the same."""
        self.record.viewers.discard(self)
        self.record = record
        record.viewers.add(self)

    def refuse(self) -> None:
        """The caller may no longer see it."""
        self.refused = True
        wake_up(self.follower)
        self.pacer.wake()


@dataclass(frozen=True, slots=True)
class Asked:
    """The request of a viewer."""

    find: Callable[[], Awaitable[Record]]
    after: object
    caller: Caller | None
    merge: float | None


class Sender:
    """Writes a viewer's items to a connection. The pacer does that while it keeps up."""

    def __init__(
        self, viewer: Viewer, cursor: Cursor, encode: Callable[[Any], bytes], writer: ItemWriter, call: Cancellable
    ) -> None:
        self.full_at: int | None = None
        """The newest entry when the connection had no more room."""
        self._viewer, self._cursor = viewer, cursor
        self._encode, self._writer, self._call = encode, writer, call

    @property
    def goes_on(self) -> bool:
        return not (self._viewer.refused or self._cursor.finished or self._call.cancelled)

    def write_all(self) -> bool:
        """Write the due items. Whether to wait for more: False if there is no room, or no item will follow."""
        viewer, cursor, encode, writer, call = self._viewer, self._cursor, self._encode, self._writer, self._call
        self.full_at = None
        while not (viewer.refused or call.cancelled):
            item = cursor.take()
            if item is None:
                if cursor.finished:  # it is no longer a viewer, although its task does not know it yet
                    viewer.record.viewers.discard(viewer)
                return not cursor.finished
            if not writer.write(encode(item)):
                self.full_at = cursor.tape.end
                return False
        return False

    async def follow(self) -> None:
        """Let the pacer write, until the connection is behind or no item will follow."""
        viewer, cursor = self._viewer, self._cursor
        viewer.follower = follower = Follower(cursor.seq, self._encode, self._writer)
        viewer.pacer.follow(follower)
        try:
            await follower
        finally:
            viewer.pacer.drop(follower)
            viewer.follower = None
        cursor.seq, self.full_at = follower.seq, follower.full_at


class Viewing:
    """Gives viewers their items. `changed` is called when the number of viewers of a run changes."""

    def __init__(self, settings: Settings, changed: Callable[[Record], None]) -> None:
        self._settings, self._changed = settings, changed
        self._pacers: dict[tuple[str, float], Pacer] = {}
        self.viewers: set[Viewer] = set()
        self._emptied: asyncio.Event | None = None

    async def view(
        self, find: Callable[[], Awaitable[Record]], after: object, caller: Caller | None, merge: float | None
    ) -> AsyncGenerator[Shared, bool | None]:
        """The items of a run after a position, until its end. Sending it `True` begins again with a snapshot.

        Raises the errors of `find`, and HubError when the caller loses the right.
        """
        with self._place(await find(), after, caller, merge) as (viewer, cursor):
            tape = cursor.tape
            while not viewer.refused:
                item = cursor.take()
                if item is not None:
                    end = tape.end
                    again = yield item
                    if again:
                        cursor.start_over()
                    elif tape.end != end:
                        cursor.fell_behind()
                elif cursor.finished:
                    return
                else:
                    await viewer.pacer.wait()
            raise HubError(NO_RUN)

    async def send(self, asked: Asked, encode: Callable[[Any], bytes], writer: ItemWriter, call: Cancellable) -> None:
        """The same, written to a connection: while it keeps up, no task is woken for an item.

        Raises the errors of `view` and of encoding.
        """
        with self._place(await asked.find(), asked.after, asked.caller, asked.merge) as (viewer, cursor):
            sender = Sender(viewer, cursor, encode, writer, call)
            while sender.goes_on:
                if sender.write_all():
                    await sender.follow()
                if sender.full_at is not None:
                    await writer.drain()
                    if cursor.tape.end != sender.full_at:
                        cursor.fell_behind()
            if viewer.refused:
                raise HubError(NO_RUN)

    @contextmanager
    def _place(
        self, record: Record, after: object, caller: Caller | None, merge: float | None
    ) -> Iterator[tuple[Viewer, Cursor]]:
        """The stream of a viewer, while the block runs."""
        pacer = self._pacer(record, self._settings.merge if merge is None else merge)
        viewer = Viewer(record, caller, pacer)
        self.viewers.add(viewer)
        record.viewers.add(viewer)
        self._changed(record)
        try:
            yield viewer, Cursor(pacer, after, resync=self._settings.resync, state=lambda: viewer.record.state)
        finally:
            self.viewers.discard(viewer)
            viewer.record.viewers.discard(viewer)
            self._release(record, pacer)
            self._changed(viewer.record)
            if not self.viewers and self._emptied is not None:
                self._emptied.set()

    def emptied(self) -> asyncio.Event:
        """Set when there are no viewers."""
        self._emptied = asyncio.Event()
        if not self.viewers:
            self._emptied.set()
        return self._emptied

    def _pacer(self, record: Record, merge: float) -> Pacer:
        pacer = self._pacers.get((record.id, merge))
        if pacer is None:
            settings = self._settings
            pacer = self._pacers[record.id, merge] = Pacer(record.tape, merge, settings.clock, settings.timers)
            pacer.start()
        pacer.viewers += 1
        return pacer

    def _release(self, record: Record, pacer: Pacer) -> None:
        pacer.viewers -= 1
        if not pacer.viewers:
            pacer.stop()
            del self._pacers[record.id, pacer.merge]


class Items(AsyncGenerator[Shared, bool | None], WritesItself):
    """A viewer's items, to iterate. A connection lets them be written instead."""

    def __init__(self, viewing: Viewing, asked: Asked) -> None:
        self._viewing, self._asked = viewing, asked
        self._items = viewing.view(asked.find, asked.after, asked.caller, asked.merge)

    async def asend(self, value: bool | None) -> Shared:
        return await self._items.asend(value)

    async def athrow(self, *error: Any) -> Shared:
        return await self._items.athrow(*error)

    async def aclose(self) -> None:
        await self._items.aclose()

    async def write_to(self, encode: Callable[[Any], bytes], writer: ItemWriter, call: Cancellable) -> None:
        await self._viewing.send(self._asked, encode, writer, call)


class Watcher:
    """One open stream of changes of state."""

    def __init__(self, room: str | None, caller: Caller | None) -> None:
        self.room, self.caller = room, caller
        self.group: str | None = None
        """The list of other servers' runs whose changes it gets."""
        self._changes: deque[tuple[Record, dict[str, Any]]] = deque()
        self._waiter: asyncio.Future[None] | None = None

    def wants(self, record: Record) -> bool:
        """Whether it belongs to the watched runs. Rights are checked elsewhere."""
        if self.room is not None:
            return record.room == self.room
        return started_by(record, self.caller)

    def tell(self, record: Record) -> None:
        if len(self._changes) >= PENDING:
            newest = {each.id: (each, info) for each, info in self._changes}
            self._changes = deque(newest.values())
        self._changes.append((record, record.info().item()))
        wake_up(self._waiter)

    async def changes(self) -> AsyncIterator[tuple[Record, dict[str, Any]]]:
        while True:
            while self._changes:
                yield self._changes.popleft()
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter


def started_by(record: Record, caller: Caller | None) -> bool:
    """Whether the caller started it; an anonymous user, on this connection."""
    if caller is None:
        return True
    if caller.user_id is not None:
        return record.start.starter == caller.user_id
    return record.start.starter is None and record.start.connection_id == caller.connection_id
