"""Viewers that are cut at any byte, again and again, from a seed: `python -m tests.runs.cuts [SEED | --rounds N]`.

One run, one to three viewers, each on a transport, codec and merge time of its own. The log, the limit for falling
behind and the room of connections may be tiny, viewers stop reading for a while, the connection ends behind a random
number of bytes, sometimes without the server's noticing. Whatever position a viewer is at, it must have exactly the
parts that the run had there.
"""

import argparse
import asyncio
import hashlib
import json
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import pytest

from hubline import HubApp
from hubline.client.events import CallFailed, Item, Opened, Result
from hubline.client.session import ClientSession
from hubline.runs import Run, Runs, RunsHub
from hubline.runs.cursor import Cursor
from hubline.testing import ManualClock, running
from hubline.transports import backlog, outbox
from hubline.wire.json import JsonCodec
from hubline.wire.msgpack import MessagePackCodec
from tests.runs.byte_lines import LINES, Cut, Line, Place, Site
from tests.runs.viewer import Page

WAYS = [(transport, codec) for transport in LINES for codec in ("json", "messagepack")]
WAYS.remove(("sse", "messagepack"))
PATIENCE = 3_000
"""Turns of the loop in which a viewer that is not cut any more must have everything."""


@dataclass
class Tally:
    """What a scenario was."""

    cuts: int = 0
    half_open: int = 0
    snapshots: int = 0
    merged: int = 0
    behind: int = 0
    """How often a connection had no room while the run went on."""
    ways: set[tuple[str, str]] = field(default_factory=set)

    def add(self, other: "Tally") -> None:
        self.cuts += other.cuts
        self.half_open += other.half_open
        self.snapshots += other.snapshots
        self.merged += other.merged
        self.behind += other.behind
        self.ways |= other.ways


class Truth:
    """What the run consisted of at each position."""

    def __init__(self, runs: Runs, run_id: str) -> None:
        self._tape = runs._records[run_id].tape
        self.parts: dict[str, list[dict[str, Any]]] = {self._tape.position(0): []}
        self._tape.listeners.append(lambda _: self.note())

    def note(self) -> None:
        self.parts[self._tape.position(self._tape.end)] = self._tape.parts.items()

    def check(self, page: Page) -> None:
        if page.position is not None:
            assert [*page.parts.values()] == self.parts[page.position], f"at position {page.position}"

    @property
    def end(self) -> str:
        return self._tape.position(self._tape.end)


def digest(parts: list[dict[str, Any]]) -> str:
    """What parts are compared by, where they are too many to keep."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


class Check(Protocol):
    """Says whether what a viewer has is right."""

    def check(self, page: Page) -> None: ...


class Viewer:
    """A client that comes back until it has the end."""

    def __init__(
        self, site: Place, run_id: str, way: tuple[str, str], merge: float, truth: Check, tally: Tally
    ) -> None:
        self._site, self._run_id, self._way, self._truth, self._tally = site, run_id, way, truth, tally
        self.target = f"/runs?merge={merge}"
        self.page = Page()
        self.done = False
        self._line: Line | None = None

    @property
    def is_away(self) -> bool:
        return self._line is None or self._line.over

    def come(self, cut: Cut) -> None:
        """Connect and attach behind what is here."""
        transport, codec = self._way
        self.page.cut()
        self._binary = codec == "messagepack"
        self._session = ClientSession(MessagePackCodec() if self._binary else JsonCodec())
        line = self._line = LINES[transport](self._site, self.target, cut, self._hear)
        line.open(lambda: self._say(self._session.handshake()))

    def _say(self, data: bytes) -> None:
        if not self.is_away:
            assert self._line is not None
            self._line.send(data, binary=self._binary)

    def stall(self, stalled: bool) -> None:
        if self._line is not None:
            self._line.stall(stalled)

    def leave(self, *, half_open: bool) -> None:
        """Be cut now, wherever that is."""
        if self._line is not None:
            self._line.cut.half_open = half_open
            self._line.break_off()

    def _hear(self, data: bytes) -> None:
        for event in self._session.receive(data, 0.0):
            match event:
                case Opened():
                    self._say(self._session.stream("AttachRun", (self._run_id, self.page.position))[1])
                case Item(value=item):
                    self.page.apply(item)
                    self._truth.check(self.page)
                    self._tally.snapshots += item["kind"] == "snapshot"
                    self._tally.merged += item["kind"] == "text" and item["text"].count("|") > 1
                case Result():
                    self.done = True
                case CallFailed(error=error):
                    raise AssertionError(f"the stream failed: {error}")
                case _:
                    pass


def body(chance: random.Random, number: int) -> dict[str, Any]:
    """An entry of any kind."""
    roll = chance.random()
    if roll < 0.75:
        kind, part = chance.choice([("text", "t"), ("reasoning", "r"), ("text", "u"), ("text", "t")])
        text = chance.choice(["a|", "\u00e4|", "\U0001f600|", "x" * chance.randrange(1, 300) + "|"])
        return {"kind": kind, "part": part, "text": text}
    if roll < 0.87:
        return {"kind": "data", "part": f"d{chance.randrange(4)}", "name": "n", "value": number}
    if roll < 0.91:
        return {"kind": "retract", "parts": [chance.choice("tru")]}
    return {"kind": "status", "status": str(number)}


async def _turns(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


def _cut(chance: random.Random) -> Cut:
    longest = chance.choice([200, 800, 2_000, 8_000])
    return Cut(chance.randrange(1, longest), half_open=chance.random() < 0.2)


async def scenario(seed: int) -> Tally:
    """Play one. Raises AssertionError, with the seed in it."""
    chance, tally, loop = random.Random(seed), Tally(), asyncio.get_running_loop()
    faults: list[BaseException] = []
    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, told: faults.append(told.get("exception") or AssertionError(told["message"])))
    try:
        with _room_for(random.Random(f"room {seed}").choice([None, 64, 400]), tally):
            await _play(chance, tally)
    except AssertionError as error:
        faults.append(error)
    finally:
        loop.set_exception_handler(before)
    if faults:
        raise AssertionError(f"seed {seed} (python -m tests.runs.cuts {seed}): {faults[0]}") from faults[0]
    return tally


@contextmanager
def _room_for(size: int | None, tally: Tally) -> Iterator[None]:
    """Connections take so many bytes before who writes to them has to wait; `None` leaves it as it is."""
    marks, fell_behind = (outbox.HIGH_WATER, backlog.LOW_WATER), Cursor.fell_behind

    def counted(cursor: Cursor) -> None:
        tally.behind += 1
        fell_behind(cursor)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Cursor, "fell_behind", counted)
        patch.setattr(outbox, "HIGH_WATER", size or marks[0])
        patch.setattr(backlog, "LOW_WATER", size or marks[1])
        yield


async def _play(chance: random.Random, tally: Tally) -> None:
    clock, bodies = ManualClock(), asyncio.Queue[dict[str, Any] | None]()
    capacity, resync = chance.choice([2, 8, 64, 4_096]), chance.choice([0, 50, 500, 65_536])
    runs = Runs(clock=clock, drain=0.0, log_entries=capacity, resync=resync)

    class Hub(RunsHub, runs=runs):
        def _run_merge(self) -> float | None:
            return float(self.context.scope.query["merge"])

    async def answer(run: Run) -> None:
        while (written := await bodies.get()) is not None:
            await run._write(written)

    app = HubApp({"/runs": Hub}, clock=clock)
    async with running(app, clock=clock) as served:
        run_id = (await runs.start(answer)).id
        truth, site = Truth(runs, run_id), Site(served, accelerate=chance.random() < 0.7)
        viewers = []
        for _ in range(chance.randrange(1, 4)):
            way = chance.choice(WAYS)
            tally.ways.add(way)
            viewers.append(Viewer(site, run_id, way, chance.choice([0, 0.03, 0.5]), truth, tally))
        for number in range(chance.randrange(20, 70)):
            for _ in range(chance.choice([0, 1, 1, 2, 8])):
                bodies.put_nowait(body(chance, number))
            await _turns(chance.choice([0, 1, 2, 5, 20, 40]))
            if chance.random() < 0.3:
                await clock.advance(chance.choice([0.01, 0.03, 0.6]))
            for viewer in viewers:
                _be_a_viewer(viewer, chance, tally)
        bodies.put_nowait(None)
        try:
            await _come_to_the_end(viewers, clock)
            for viewer in viewers:
                assert viewer.page.position == truth.end
                truth.check(viewer.page)
        finally:
            site.close()
            await _turns(40)
            await runs._settings.tasks.cancel()


def _be_a_viewer(viewer: Viewer, chance: random.Random, tally: Tally) -> None:
    roll = chance.random()
    if viewer.is_away:
        if roll < 0.8:
            cut = _cut(chance)
            viewer.come(cut)
            tally.cuts += 1
            tally.half_open += cut.half_open
    elif roll < 0.15:
        viewer.stall(True)
    elif roll < 0.5:
        viewer.stall(False)
    elif roll < 0.6:
        viewer.leave(half_open=chance.random() < 0.3)


async def _come_to_the_end(viewers: list[Viewer], clock: ManualClock) -> None:
    for viewer in viewers:
        viewer.leave(half_open=False)
        viewer.come(Cut())
    for _ in range(PATIENCE // 100):
        if all(viewer.done for viewer in viewers):
            return
        await _turns(36)
        await clock.advance(0.02)
    raise AssertionError(f"not everybody has the end: {[viewer.page.kinds()[-3:] for viewer in viewers]}")


async def rounds(seeds: "range | list[int]") -> Tally:
    """Many scenarios, and what they were together."""
    total = Tally()
    for seed in seeds:
        total.add(await scenario(seed))
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("seed", nargs="?", type=int)
    parser.add_argument("--rounds", type=int, default=1_000)
    arguments = parser.parse_args()
    if arguments.seed is not None:
        print(asyncio.run(scenario(arguments.seed)))
        return
    first = random.SystemRandom().randrange(10**9)
    print(f"seeds from {first}", file=sys.stderr)
    print(asyncio.run(rounds(range(first, first + arguments.rounds))))


if __name__ == "__main__":
    main()
