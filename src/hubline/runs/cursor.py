"""A viewer's place in a log, and when what is behind it goes out: without I/O, the time from a clock that is given.

A viewer costs a cursor. Those who merge for the same time share a pacer, so they are woken together, are at the same
place, and are sent the same objects.
"""

import asyncio
from collections.abc import Callable
from itertools import islice
from typing import Protocol

from hubline import Encoded
from hubline._clock import Clock
from hubline._tasks import wake_up
from hubline.runs.parts import TEXTS
from hubline.runs.tape import Entry, Shared, Tape
from hubline.runs.timers import Timer, Timers

STRIDE = 64
"""Followers that are handed items in one turn of the event loop: who attaches meanwhile waits for no more. Ours."""


class Follower(Protocol):
    """Takes what is released by a plain call."""

    def step(self) -> bool:
        """Take all that is due. Whether it follows on: False when its own task goes on instead."""


class Pacer:
    """Releases a tape's entries to those viewers who merge for `merge` seconds.

    The first text goes at once, what follows when so much time is over; any other kind releases all that is there.
    """

    def __init__(self, tape: Tape, merge: float, clock: Clock, timers: Timers) -> None:
        self.tape, self.merge = tape, merge
        self.released = tape.end
        """The last entry that may be sent."""
        self.viewers = 0
        self._clock, self._timers = clock, timers
        self._closed_until = 0.0
        """Text waits until then."""
        self._timer: Timer | None = None
        self._waiting: list[asyncio.Future[None]] = []
        self._followers: dict[Follower, None] = {}
        """Those who have everything that was released."""
        self._next: dict[Follower, None] = {}
        """Those whose turn is still to come."""

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
        """Have it called when more is released, until it is `dropped` or no longer wants to."""
        self._followers[follower] = None

    def drop(self, follower: Follower) -> None:
        self._followers.pop(follower, None)
        self._next.pop(follower, None)

    def wake(self) -> None:
        """Let every viewer look."""
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            wake_up(waiter)
        if self._followers:
            is_running = bool(self._next)
            self._next.update(self._followers)
            self._followers = {}
            if not is_running:
                asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        for follower in list(islice(self._next, STRIDE)):
            del self._next[follower]
            if follower.step():
                self._followers[follower] = None
        if self._next:
            asyncio.get_running_loop().call_soon(self._turn)

    def _appended(self, entry: Entry) -> None:
        if self.merge > 0 and entry.kind in TEXTS:
            now = self._clock.now()
            if now < self._closed_until:
                if self._timer is None:
                    self._timer = self._timers.after(self._closed_until - now, self._due)
                return
            self._closed_until = now + self.merge
        self.released = entry.seq
        self.wake()

    def _due(self) -> None:
        self._timer = None
        if self.released < self.tape.end:
            self.released = self.tape.end
            self._closed_until = self._clock.now() + self.merge
            self.wake()


class Cursor:
    """One viewer's place. `take()` gives what comes next, until there is nothing at the moment, or for good."""

    def __init__(self, pacer: Pacer, after: object, *, resync: int, state: Callable[[], str]) -> None:
        """`after` is a position, or whatever a client has sent for one; `None` asks for everything."""
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
        self._seq = seq or 0
        self._exempt = tape.total if after is None else 0
        """Who asks for everything is not behind for what there was then."""
        if not self._lost and after is not None and self._pending() > resync:
            self._lost = True
        if self._lost:
            self._after = None

    def fell_behind(self) -> None:
        """The viewer was busy while something was appended: all that waits is merged, or is one snapshot."""
        self._behind = True

    def start_over(self) -> None:
        """Begin again with a snapshot of the newest: what comes next cannot be told to this viewer otherwise."""
        self._lost = True
        self._pieces = []

    def take(self) -> Shared | None:
        """The next item; `None` when nothing is due. Then `finished` tells whether anything ever will be."""
        tape = self.tape
        if self._pieces:
            return self._piece()
        if self._lost or self._seq < tape.base or (self._behind and self._too_far_behind()):
            self._lost = False
            self._seq, pieces = tape.snapshot(self._state())
            self._pieces = pieces[::-1]
            return self._piece()
        if not self._live and self._seq >= self._target:
            self._live = True
            return Encoded({"kind": "live", "position": self._after})
        limit = tape.content_end
        if not self._behind and tape.ended is None:
            limit = self._pacer.released if self._live else max(self._pacer.released, self._target)
        if self._seq < limit:
            joins = self._pacer.merge > 0 or self._behind
            self._seq, item = tape.merged(self._seq + 1, limit if joins else self._seq + 1)
            self._after = tape.position(self._seq)
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
            self._after = self.tape.position(self._seq)
        return piece

    def _pending(self) -> int:
        """Bytes between here and the newest entry."""
        return self.tape.total - max(self.tape.total_at(self._seq), self._exempt)

    def _too_far_behind(self) -> bool:
        return self.tape.content_end - self._seq > 1 and self._pending() > self._resync
