"""A viewer's position in a log, and when the entries after it are sent. Without I/O; the time comes from a clock.

Each viewer has a cursor. Viewers with the same merge time share a pacer, so they are woken together, are at the same
position, and get the same objects.
"""

import asyncio
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from hubline import Encoded
from hubline._clock import Clock
from hubline._tasks import wake_up
from hubline.runs.parts import TEXTS
from hubline.runs.tape import Entry, Shared, Tape
from hubline.runs.timers import Timer, Timers
from hubline.streams.ports import ItemWriter

STRIDE = 64
"""Followers that get items in one turn of the event loop, so that a new viewer does not wait for all. Ours."""


class Due:
    """The next item for all followers that are at the same entry."""

    __slots__ = ("_item", "packets", "seq")

    def __init__(self, seq: int, item: Shared) -> None:
        self.seq = seq
        """The last entry that it holds."""
        self._item = item
        self.packets: dict[Callable[[Shared], bytes], bytes] = {}
        """The encoded forms, by encoder."""

    def packet(self, encode: Callable[[Shared], bytes]) -> bytes:
        """The encoded form. Raises the errors of `encode`."""
        packet = self.packets[encode] = encode(self._item)
        return packet


class Follower(asyncio.Future[None]):
    """A viewer that keeps up, while the pacer writes for it; done when its own task must continue.

    That task waits for this object itself: the cost of a turn with a thousand viewers depends on the memory that it
    touches, so there is no second object.
    """

    __slots__ = ("encode", "full_at", "seq", "writer")

    def __init__(self, seq: int, encode: Callable[[Any], bytes], writer: ItemWriter) -> None:
        super().__init__(loop=asyncio.get_running_loop())
        self.seq = seq
        """The last entry that was written."""
        self.encode, self.writer = encode, writer
        self.full_at: int | None = None
        """The newest entry when the connection had no more room."""


class Pacer:
    """Releases a tape's entries to the viewers that merge for `merge` seconds.

    The first text is released at once, further text after that time; an entry of another kind releases all entries.
    """

    def __init__(self, tape: Tape, merge: float, clock: Clock, timers: Timers) -> None:
        self.tape, self.merge = tape, merge
        self.released = tape.end
        """The last entry that may be sent."""
        self.viewers = 0
        self._clock, self._timers = clock, timers
        self._closed_until = 0.0
        """The time until which text waits."""
        self._timer: Timer | None = None
        self._waiting: list[asyncio.Future[None]] = []
        self._followers: dict[Follower, None] = {}
        self._next: Iterator[Follower] | None = None
        """The followers that must still get their items."""
        self._again = False
        """Whether more was released since the first of them got its items."""
        self._dues: dict[int, Due] = {}
        """By the entry before them."""

    def start(self) -> None:
        self.released = self.tape.end
        self.tape.listeners.append(self._appended)

    def stop(self) -> None:
        self.tape.listeners.remove(self._appended)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def wait(self) -> None:
        """Wait until more is released. Cancelling it loses nothing."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        await waiter

    def follow(self, follower: Follower) -> None:
        """Write for it when more is released, until it is dropped or done."""
        self._followers[follower] = None

    def drop(self, follower: Follower) -> None:
        self._followers.pop(follower, None)

    def wake(self) -> None:
        """Wake every viewer."""
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            wake_up(waiter)
        if self._next is not None:
            self._again = True
        elif self._followers:
            self._begin()

    def _begin(self) -> None:
        """Let all followers take the released items, some of them in each turn of the loop."""
        self._next, self._again = iter(tuple(self._followers)), False
        asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        assert self._next is not None
        count = 0
        for follower in islice(self._next, STRIDE):
            count += 1
            if not follower.done():
                try:
                    self._write(follower)
                except Exception as error:
                    follower.set_exception(error)
        if count == STRIDE:
            asyncio.get_running_loop().call_soon(self._turn)
            return
        self._next = None
        if self._again and self._followers:
            self._begin()

    def _write(self, follower: Follower) -> None:
        """Write the released items. Its own task continues when there is no room, or when a cursor is needed."""
        seq, released, dues = follower.seq, self.released, self._dues
        while seq < released:
            due = dues.get(seq) or self._due_behind(seq)
            if due is None:
                follower.set_result(None)
                return
            follower.seq = seq = due.seq
            write, encode = follower.writer.write_now, follower.encode
            if not write(due.packets.get(encode) or due.packet(encode)):
                follower.full_at = self.tape.end
                follower.set_result(None)
                return

    def _due_behind(self, seq: int) -> Due | None:
        """The next item after this entry; `None` at the end, and if entries after it were trimmed."""
        tape = self.tape
        limit = min(self.released, tape.content_end)
        if not tape.base <= seq < limit:
            return None
        due = self._dues[seq] = Due(*tape.merged(seq + 1, limit if self.merge > 0 else seq + 1))
        return due

    def _appended(self, entry: Entry) -> None:
        if self.merge > 0 and entry.kind in TEXTS:
            now = self._clock.now()
            if now < self._closed_until:
                if self._timer is None:
                    self._timer = self._timers.after(self._closed_until - now, self._window_over)
                return
            self._closed_until = now + self.merge
        self._release()

    def _window_over(self) -> None:
        self._timer = None
        if self.released < self.tape.end:
            self._closed_until = self._clock.now() + self.merge
            self._release()

    def _release(self) -> None:
        self.released = self.tape.end
        self._dues.clear()
        self.wake()


class Cursor:
    """One viewer's position. `take()` returns the next item, until there is none at the moment, or no more at all."""

    def __init__(self, pacer: Pacer, after: object, *, resync: int, state: Callable[[], str]) -> None:
        """`after` is a position, or the value that a client has sent as one; `None` asks for everything."""
        self.tape = tape = pacer.tape
        self.finished = False
        """The `end` has been taken."""
        self._pacer, self._resync, self._state = pacer, resync, state
        self._target = tape.content_end
        self._live = self._behind = False
        self._pieces: list[Shared] = []
        self._after = after if isinstance(after, str) else None
        """The position of the item before."""
        seq = 0 if after is None else tape.seq_of(after)
        self._lost = seq is None or seq < tape.base
        """Whether a snapshot has to come first."""
        self.seq = seq or 0
        """The last entry that was taken, here or by a follower."""
        self._exempt = tape.total if after is None else 0
        """A viewer that asks for everything is not behind because of entries from before."""
        if not self._lost and after is not None and self._pending() > resync:
            self._lost = True
        if self._lost:
            self._after = None

    def fell_behind(self) -> None:
        """The viewer was busy while an entry was appended: waiting entries are merged, or become a snapshot."""
        self._behind = True

    def start_over(self) -> None:
        """Begin again with a snapshot of the newest state: the next change cannot be sent otherwise."""
        self._lost = True
        self._pieces = []

    def take(self) -> Shared | None:
        """The next item; `None` when none is due. Then `finished` is true if no item will follow."""
        tape = self.tape
        if self._pieces:
            return self._piece()
        if self._lost or self.seq < tape.base or (self._behind and self._too_far_behind()):
            self._lost = False
            self.seq, pieces = tape.snapshot(self._state())
            self._pieces = pieces[::-1]
            return self._piece()
        if not self._live and self.seq >= self._target:
            self._live = True
            return Encoded({"kind": "live", "position": self._after})
        limit = tape.content_end
        if not self._behind and tape.ended is None:
            limit = self._pacer.released if self._live else max(self._pacer.released, self._target)
        if self.seq < limit:
            joins = self._pacer.merge > 0 or self._behind
            self.seq, item = tape.merged(self.seq + 1, limit if joins else self.seq + 1)
            if not self._live:
                self._after = tape.position(self.seq)
            return item
        if tape.ended is not None and not self.finished:
            self.finished = True
            return tape.ended.shared
        self._behind = False
        return None

    def _piece(self) -> Shared:
        """The next piece of a snapshot. Only the last has a position."""
        piece = self._pieces.pop()
        if not self._pieces:
            self._after = self.tape.position(self.seq)
        return piece

    def _pending(self) -> int:
        """Bytes between here and the newest entry."""
        return self.tape.total - max(self.tape.total_at(self.seq), self._exempt)

    def _too_far_behind(self) -> bool:
        return self.tape.content_end - self.seq > 1 and self._pending() > self._resync
