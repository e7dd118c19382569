"""The tapes of the runs that are followed on this server, built from what the storage publishes."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from weakref import WeakValueDictionary

from hubline._clock import Clock
from hubline._tasks import TaskOwner
from hubline.backplanes.lines import pause
from hubline.errors import BackplaneError
from hubline.runs.log import LogGoneError
from hubline.runs.names import run_channel
from hubline.runs.parts import Body
from hubline.runs.tape import Tape

Load = Callable[[str, int], Awaitable[Any]]
"""The epoch, the fold and the batches of a run after an entry, as Redis returns them; empty if there is no such log."""


class Followed:
    """One run's tape, for all its followers on this server."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self.tape: Tape | None = None
        """None until it has been loaded."""
        self.holders = 0
        self.writing = asyncio.Lock()
        """Orders the appends of this server, so that a repeated one is recognised."""
        self.folded = 0
        """The last entry that this server has trimmed in the storage."""
        self.pending: list[tuple[int, Sequence[Body]]] = []
        self.owned = False
        """Whether this server writes it, the end too."""
        self.seen = self.newest = -1
        """The last entry when it was last looked at, and that of the storage then, if it was asked."""
        self.behind = False
        """Whether missed entries must be read from the storage."""
        self.catching_up: asyncio.Task[None] | None = None

    def feed(self, before: int, bodies: Sequence[Body]) -> bool:
        """Entries after entry `before` have arrived. False if entries in between are missing."""
        if self.tape is None:
            self.pending.append((before, bodies))
        elif before > self.tape.end:
            return False
        else:
            for body in bodies[self.tape.end - before :]:
                self.tape.append(body)
        return True

    def everything(self) -> dict[str, Any]:
        """The parts that result from all entries so far, and the last entry that may be trimmed."""
        tape = self.tape
        assert tape is not None
        return {"base": tape.base, "end": tape.end, "parts": tape.parts.items(), "asks": list(tape.asks.values())}

    def loaded(self, found: Any, capacity: int) -> None:
        """Add the entries that the storage has after the end of the tape, in the order of their numbers."""
        epoch, fold, batches = found[0].decode(), found[1], found[2]
        tape = self.tape
        if tape is not None and tape.epoch != epoch:
            return  # the log was removed, and is another now: who follows keeps what there was
        new = tape is None
        tape = tape or Tape(capacity, epoch)
        entries = [(int(name.partition(b"-")[0]), json.loads(fields[1])) for name, fields in batches]
        bodies = [
            (last - len(batch) + at, body) for last, batch in entries for at, body in enumerate(batch, 1)
        ]  # each with its number
        if fold is not None and (new or (bodies and bodies[0][0] > tape.end + 1)):
            kept = json.loads(fold)
            held = [body for number, body in bodies if kept["base"] < number <= kept["end"]]
            tape.restore(kept["base"], held, kept["parts"], kept["asks"])
            for listener in tape.listeners:
                listener(tape.at(tape.end))
        for number, body in bodies:
            if number == tape.end + 1:
                tape.append(body)
        self.tape = tape
        pending, self.pending = self.pending, []
        for before, told in pending:
            if not self.feed(before, told):
                self.behind = True


class Tapes:
    """Keeps a tape while it has followers, and completes it after interruptions."""

    def __init__(
        self,
        capacity: int,
        load: Load,
        subscribe: Callable[[str], Awaitable[None]],
        unsubscribe: Callable[[str], Awaitable[None]],
        tasks: TaskOwner,
        clock: Clock,
    ) -> None:
        self._capacity, self._load, self._tasks, self._clock = capacity, load, tasks, clock
        self._subscribe, self._unsubscribe = subscribe, unsubscribe
        self._tapes: dict[str, Followed] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def get(self, run_id: str) -> Followed | None:
        return self._tapes.get(run_id)

    def others(self) -> list[str]:
        """The runs of other servers that are followed."""
        return [run_id for run_id, followed in self._tapes.items() if not followed.owned]

    async def hold(self, run_id: str) -> Followed:
        """A complete tape. Raises LogGoneError, BackplaneError."""
        lock = self._locks.setdefault(run_id, asyncio.Lock())
        async with lock:
            followed = self._tapes.get(run_id)
            if followed is None:
                followed = self._tapes[run_id] = Followed(run_id)
                try:
                    await self._subscribe(run_channel(run_id))
                    found = await self._load(run_id, 0)
                    if not found:
                        raise LogGoneError(run_id)
                    followed.loaded(found, self._capacity)
                except BaseException:
                    await self._drop(followed)
                    raise
                if followed.behind:  # an interruption since the storage was asked
                    self._begin(followed)
            followed.holders += 1
            return followed

    async def release(self, followed: Followed) -> None:
        followed.holders -= 1
        lock = self._locks.setdefault(followed.run_id, asyncio.Lock())
        async with lock:
            if followed.holders <= 0:
                await self._drop(followed)

    async def forget(self, run_id: str) -> None:
        """Its log was removed. Followers keep the tape."""
        lock = self._locks.setdefault(run_id, asyncio.Lock())
        async with lock:
            followed = self._tapes.get(run_id)
            if followed is not None:
                await self._drop(followed)

    def told(self, run_id: str, before: int, bodies: Sequence[Body]) -> None:
        """The storage has published entries."""
        followed = self._tapes.get(run_id)
        if followed is not None and not followed.feed(before, bodies):
            self._begin(followed)

    def interrupted(self) -> None:
        """Entries may have been missed."""
        for followed in self._tapes.values():
            if followed.tape is None:
                followed.behind = True
            else:
                self._begin(followed)

    async def look_for_lost_news(self, newest: Callable[[str], Awaitable[int | None]]) -> int:
        """Ask about runs that say nothing; how many lack what the storage had at the last call. They are completed.

        Raises BackplaneError.
        """
        found = 0
        for run_id, followed in list(self._tapes.items()):
            tape = followed.tape
            if tape is None or followed.owned or tape.ended is not None:
                continue
            if followed.newest > tape.end:  # since the last look
                found += 1
                self._begin(followed)
            elif followed.seen == tape.end:
                number = await newest(run_id)
                if number is None:
                    self._begin(followed)
                else:
                    followed.newest = number  # its news may be on their way
            followed.seen = tape.end
        return found

    async def catch_up(self, followed: Followed) -> None:
        """Return when the tape has what the storage has now; without it, wait."""
        await asyncio.shield(self._begin(followed))

    async def complete(self, followed: Followed) -> None:
        """Return when the tape has all entries of the storage. If it has lost the log, no end will ever be written."""
        if followed.tape is None:
            return
        found = await self._load(followed.run_id, followed.tape.end)
        if found:
            followed.loaded(found, self._capacity)
        elif followed.tape.ended is None and not followed.owned:
            followed.tape.append({"kind": "end", "state": "interrupted", "error": None, "usage": [], "unread": []})

    def _begin(self, followed: Followed) -> "asyncio.Task[None]":
        followed.behind = True
        if followed.catching_up is None or followed.catching_up.done():
            followed.catching_up = self._tasks.start(self._catch_up(followed), name="hubline.runs catching up")
        return followed.catching_up

    async def _catch_up(self, followed: Followed) -> None:
        attempt = 0
        while followed.behind and self._tapes.get(followed.run_id) is followed:
            followed.behind = False
            try:
                await self.complete(followed)
            except BackplaneError:
                followed.behind = True
                await self._clock.sleep(pause(attempt))
                attempt += 1

    async def _drop(self, followed: Followed) -> None:
        if self._tapes.get(followed.run_id) is followed:
            del self._tapes[followed.run_id]
            await self._unsubscribe(run_channel(followed.run_id))


class Following:
    """Holds one tape while a block runs."""

    def __init__(self, tapes: Callable[[], Awaitable[Tapes]], run_id: str) -> None:
        self._find, self._run_id = tapes, run_id
        self._tapes: Tapes
        self._followed: Followed

    async def __aenter__(self) -> Tape:
        self._tapes = await self._find()
        self._followed = await self._tapes.hold(self._run_id)
        assert self._followed.tape is not None
        return self._followed.tape

    async def __aexit__(self, *_: object) -> None:
        await self._tapes.release(self._followed)
