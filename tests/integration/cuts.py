"""Viewers on real sockets, cut at any byte by a proxy, from a seed: `python -m tests.integration.cuts URL SEED`.

The server is `cuts_server.py`. A seed says what the run writes, how small its log and its limit for falling behind are,
and for one to three viewers the transport, the codec and the merge time, or the event stream over plain HTTP. The proxy
ends their connections behind random numbers of bytes, WebSockets and requests alike, every second one without the
server's noticing, and so often; then everything comes through, and everybody must have exactly the run's parts. What a
viewer had at each position is compared with what the run consisted of there.
"""

import argparse
import asyncio
import random
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.integration.cuts_server import SIZES
from tests.interop.cutting_proxy import CuttingProxy
from tests.runs.byte_lines import Cut, Exchange, Line
from tests.runs.cuts import WAYS, Tally, Viewer, digest
from tests.runs.http.events import Parser
from tests.runs.viewer import Page

EVENTS = ("events", "http")
ALL_WAYS = [*WAYS, EVENTS]
LONGEST = [300, 900, 3_000]
"""Bytes after which a connection is cut at the latest."""
PATIENCE = 60.0
"""Seconds after which a viewer will not have the end: a safety net."""


class TcpWire(asyncio.Protocol):
    """The client's end of a real connection."""

    def __init__(self, place: "Place", told: Callable[[bytes], None], ended: Callable[[], None]) -> None:
        self._place, self._told, self._ended = place, told, ended
        self.closed = asyncio.Event()
        self._waits, self._lost = b"", False
        self._transport: asyncio.Transport | None = None

    def say(self, data: bytes) -> None:
        if self._transport is None:
            self._waits += data
        else:
            self._transport.write(data)

    def lose(self, *, half_open: bool = False) -> None:
        self._lost = True
        if self._transport is not None:
            self._transport.abort()

    def flow(self) -> None: ...

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if self._lost:
            transport.abort()
        else:
            transport.write(self._waits)

    def data_received(self, data: bytes) -> None:
        if not self._lost:
            self._place.do(self._told, data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()
        if not self._lost:
            self._place.do(self._ended)


class Place:
    """Where one viewer connects to."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._host, self._port = address.hostname or "", address.port or 80
        self._open: set[asyncio.Task[None]] = set()
        self.changed = asyncio.Event()
        self.failure: Exception | None = None

    def wire(self, line: Line, told: Callable[[bytes], None], ended: Callable[[], None]) -> TcpWire:
        wire = TcpWire(self, told, ended)
        task = asyncio.ensure_future(self._carry(wire))
        self._open.add(task)
        task.add_done_callback(self._open.discard)
        return wire

    async def close(self) -> None:
        """Wait for the end of all connections, which have been given up."""
        await asyncio.gather(*self._open)

    async def _carry(self, wire: TcpWire) -> None:
        await asyncio.get_running_loop().create_connection(lambda: wire, self._host, self._port)
        await wire.closed.wait()

    def do(self, heard: Callable[..., None], *arguments: Any) -> None:
        """Hear something; what goes wrong is the viewer's failure."""
        try:
            heard(*arguments)
        except Exception as error:
            self.failure = error
        self.changed.set()


class Check:
    """What a viewer had at each position."""

    def __init__(self) -> None:
        self.seen: dict[str, str] = {}

    def check(self, page: Page) -> None:
        if page.position is None:
            return
        found = digest([*page.parts.values()])
        assert self.seen.setdefault(page.position, found) == found, f"two contents at {page.position}"


class HubViewer(Viewer):
    """A client of the hub that comes back until it has the end."""

    def __init__(self, url: str, target: str, *arguments: Any) -> None:
        self.place = Place(url)
        super().__init__(self.place, *arguments)
        self.target = target + self.target.removeprefix("/runs")

    def attach(self) -> None:
        self.come(Cut())

    def drop(self) -> None:
        """What is left of the connection goes."""
        for wire in self._line.wires if self._line is not None else ():
            wire.lose(half_open=False)


class EventsViewer:
    """An `EventSource`: it comes back with the last id that it got."""

    def __init__(self, url: str, target: str, run_id: str, check: Check, tally: Tally) -> None:
        self.place, self.page, self.done, self.is_away = Place(url), Page(), False, True
        self._target, self._check, self._tally = f"{target}/{run_id}/events", check, tally
        self._line: Line | None = None

    def attach(self) -> None:
        self.page.cut()
        self.is_away, parser = False, Parser()
        self._line = line = Line(self.place, self._target, Cut(), lambda _: None)
        line.end = self._gone  # type: ignore[method-assign]
        Exchange(
            line,
            "GET",
            self._target,
            accept="text/event-stream",
            headers=[("Last-Event-ID", self.page.position)] if self.page.position is not None else [],
            told=lambda data: self._read(parser, data),
            done=lambda *_: self._gone(),
        )

    def drop(self) -> None:
        for wire in self._line.wires if self._line is not None else ():
            wire.lose(half_open=False)

    def _gone(self) -> None:
        self.is_away = True

    def _read(self, parser: Parser, data: bytes) -> None:
        for event in parser.feed(data):
            self.page.apply(event.json)
            self._check.check(self.page)
            self._tally.snapshots += event.json["kind"] == "snapshot"
            assert event.id == (self.page.position or "")
        self.done = self.page.end is not None


async def watch(viewer: HubViewer | EventsViewer) -> None:
    """Come back again and again, until the end is here."""
    while not viewer.done:
        if viewer.is_away:
            viewer.drop()
            viewer.attach()
        await viewer.place.changed.wait()
        viewer.place.changed.clear()
        if viewer.place.failure is not None:
            raise viewer.place.failure
    viewer.drop()


async def scenario(url: str, seed: int) -> Tally:
    """Play one. Raises AssertionError, with the seed in it."""
    tally = Tally()
    try:
        async with asyncio.timeout(PATIENCE), httpx.AsyncClient(base_url=url, timeout=PATIENCE) as http:
            await _play(random.Random(seed), seed, http, url, tally)
    except Exception as error:
        raise AssertionError(f"seed {seed} (python -m tests.integration.cuts {url} {seed}): {error!r}") from error
    return tally


async def _play(chance: random.Random, seed: int, http: httpx.AsyncClient, url: str, tally: Tally) -> None:
    size = chance.randrange(len(SIZES))
    run_id = (await http.post(f"/start/{size}", params={"seed": seed})).json()
    proxy = CuttingProxy(url, seed=seed, shortest=1, longest=chance.choice(LONGEST), settled=None)
    proxy.most = chance.randrange(10, 60)
    async with proxy.running() as address:
        viewers: list[HubViewer | EventsViewer] = []
        checks = []
        for _ in range(chance.randrange(1, 4)):
            way, merge, check = chance.choice(ALL_WAYS), chance.choice([0, 0.03, 0.5]), Check()
            tally.ways.add(way)
            checks.append(check)
            if way == EVENTS:
                viewers.append(EventsViewer(address, f"/runs/{size}", run_id, check, tally))
            else:
                viewers.append(HubViewer(address, f"/hub/{size}", run_id, way, merge, check, tally))
        try:
            await asyncio.gather(*map(watch, viewers))
        finally:
            for viewer in viewers:
                viewer.drop()
                await viewer.place.close()
    tally.cuts, tally.half_open = proxy.cuts, proxy.half_open
    truth: dict[str, str] = (await http.get(f"/truth/{size}/{run_id}")).json()
    for viewer, check in zip(viewers, checks, strict=True):
        for position, found in check.seen.items():
            assert truth[position] == found, f"at position {position}"
        assert viewer.page.position == list(truth)[-1]


async def rounds(url: str, seeds: "range | list[int]", at_once: int = 4) -> Tally:
    """Many scenarios, some of them side by side, and what they were together."""
    total, left = Tally(), iter(seeds)

    async def play() -> None:
        for seed in left:
            total.add(await scenario(url, seed))

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(play())
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("url", help="of `python -m tests.integration.cuts_server`")
    parser.add_argument("seed", type=int)
    parser.add_argument("--rounds", type=int, default=1)
    arguments = parser.parse_args()
    seeds = range(arguments.seed, arguments.seed + arguments.rounds)
    print(asyncio.run(rounds(arguments.url, seeds)))


if __name__ == "__main__":
    main()
