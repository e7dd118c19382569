"""The tapes of the runs that are followed on this server, as Redis tells of them."""

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
from hubline.runs.parts import Body
from hubline.runs.redis_keys import run_channel
from hubline.runs.tape import Tape

Load = Callable[[str, int], Awaitable[Any]]
"""What LOAD answers for a run, behind an entry; nothing when there is no such log."""


class Followed:
    """One run's tape, for all who follow it on this server."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self.tape: Tape | None = None
        """None until it has been loaded."""
        self.holders = 0
        self.writing = asyncio.Lock()
        """Entries of this server are sent one after the other, so that one which is sent again is known as such."""
        self.folded = 0
        """What has been trimmed in Redis, as far as this server has done it."""
        self.pending: list[tuple[int, Sequence[Body]]] = []
        self.owned = False
        """Whether this server writes it, the end too."""
        self.behind = False
        """Whether Redis has to be asked for what was missed."""
        self.catching_up: asyncio.Task[None] | None = None

    def feed(self, before: int, bodies: Sequence[Body]) -> bool:
        """Entries behind entry `before` were told. False when those between are missing."""
        if self.tape is None:
            self.pending.append((before, bodies))
        elif before > self.tape.end:
            return False
        else:
            for body in bodies[self.tape.end - before :]:
                self.tape.append(body)
        return True

    def everything(self) -> dict[str, Any]:
        """What all entries up to now amount to, and which of them may go."""
        tape = self.tape
        assert tape is not None
        return {"base": tape.base, "end": tape.end, "parts": tape.parts.items(), "asks": list(tape.asks.values())}

    def loaded(self, found: Any, capacity: int) -> None:
        """Take what Redis has behind the end of the tape, in the order of its numbers."""
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
            self.feed(before, told)


class Tapes:
    """Holds a tape while somebody follows it, and keeps it complete after interruptions."""

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

    async def hold(self, run_id: str) -> Followed:
        """A tape that has all there is. Raises LogGoneError, BackplaneError."""
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
            followed.holders += 1
            return followed

    async def release(self, followed: Followed) -> None:
        followed.holders -= 1
        lock = self._locks.setdefault(followed.run_id, asyncio.Lock())
        async with lock:
            if followed.holders <= 0:
                await self._drop(followed)

    async def forget(self, run_id: str) -> None:
        """Its log was removed. Who follows keeps what there was."""
        lock = self._locks.setdefault(run_id, asyncio.Lock())
        async with lock:
            followed = self._tapes.get(run_id)
            if followed is not None:
                await self._drop(followed)

    def told(self, run_id: str, before: int, bodies: Sequence[Body]) -> None:
        """Redis tells of entries."""
        followed = self._tapes.get(run_id)
        if followed is not None and not followed.feed(before, bodies):
            self._begin(followed)

    def interrupted(self) -> None:
        """Something may have been missed."""
        for followed in self._tapes.values():
            self._begin(followed)

    async def complete(self, followed: Followed) -> None:
        """Return when the tape has what Redis has now. Where Redis has lost it, nobody will ever write an end."""
        if followed.tape is None:
            return
        found = await self._load(followed.run_id, followed.tape.end)
        if found:
            followed.loaded(found, self._capacity)
        elif followed.tape.ended is None and not followed.owned:
            followed.tape.append({"kind": "end", "state": "interrupted", "error": None, "usage": [], "unread": []})

    def _begin(self, followed: Followed) -> None:
        followed.behind = True
        if followed.catching_up is None or followed.catching_up.done():
            followed.catching_up = self._tasks.start(self._catch_up(followed), name="hubline.runs catching up")

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
