"""Row after row: every peer is warmed with the row's load, then measured in turn with the others, round after round."""

import gc
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from picows import WSHandshakeError

from benchmarks import broker
from benchmarks.fleet import Fleet
from benchmarks.machine import aspnetcore, cores, describe
from benchmarks.peers import Peer
from benchmarks.results import Failure, Measurement, Result
from benchmarks.rows.measuring import Bench, Figures, Load, Run, per_core
from benchmarks.rows.row import Row
from benchmarks.settings import Settings
from benchmarks.warming import Slice, warm
from hubline.cli.load import LoadError, allow_files

SPARE_FILES = 200
Report = Callable[[str], None]


async def run(settings: Settings, peers: Sequence[Peer], rows: Sequence[Row], report: Report) -> Result:
    """Measure everything. `report` gets the progress.

    Raises:
        ConfigurationError: so many connections need more open files than the system allows.
    """
    # In a storm a server has the connections that left, those that negotiate and the new ones.
    largest = max(
        settings.idle, settings.recovering, 3 * settings.storm, 2 * settings.fallbacks, *settings.growth_connections
    )
    allow_files(largest + SPARE_FILES)
    core, ours = cores()
    os.sched_setaffinity(0, {ours})
    gc.disable()  # the client's; it is collected between rows, so that no pause of ours is taken for the server's
    here = [peer for peer in peers if not peer.missing()]
    result = Result(
        machine=describe() | {"redis": broker.version(), "server core": core, "client core": ours},
        settings=settings.as_dict(),
        peers={peer.key: {"name": peer.name, "version": peer.version()} for peer in here},
        left_out={peer.key: dict(peer.lacks) for peer in here},
        missing={peer.name: peer.missing() for peer in peers if peer not in here},
    )
    if core == ours:
        report("there is only one core, which server and load share: the throughput means little")
    if any(row.backplane for row in rows) and not broker.program():
        rows = [row for row in rows if not row.backplane]
        result.missing["Redis, with all rows of a backplane,"] = broker.NOT_HERE
    for name, reason in result.missing.items():
        report(f"{name} is left out: {reason}")
    measuring = _Measuring(settings, result, report, Fleet(core, settings), time.monotonic())
    try:
        # Servers with a backplane come last: they are not stopped between their turns.
        for row in sorted(rows, key=lambda row: (row.backplane, row.load is None)):
            await measuring.row(row, [peer for peer in here if row.key not in peer.lacks])
    finally:
        await measuring.fleet.end_all()
        gc.enable()
    return result


@dataclass(frozen=True, slots=True)
class _Measuring:
    """A run in progress."""

    settings: Settings
    result: Result
    report: Report
    fleet: Fleet
    started: float

    async def row(self, row: Row, peers: list[Peer]) -> None:
        """Take all peers through one row."""
        if not peers:
            return
        self.report(f"{time.monotonic() - self.started:4.0f} s  {row.title}")
        if row.load is None:
            for peer in peers:
                if row.fresh:
                    await (self.fleet.end_all() if row.backplane else self.fleet.end(peer))
                await self._turn(peer, row, 0)
            return
        # Warmed one after the other, so that between two measurements of a round there are seconds and not minutes.
        left = [peer for peer in peers if await self._turn(peer, row, None)]
        for number in range(self.settings.rounds):
            # Every other round backwards, so that a machine that becomes slower affects all peers equally.
            for peer in left if number % 2 == 0 else reversed(left):
                await self._turn(peer, row, number)

    async def _turn(self, peer: Peer, row: Row, number: int | None) -> bool:
        """One measurement, or without a number what comes before the first; whether it went well."""
        error: BaseException | None = None
        try:
            async with self.fleet.turn(peer, backplane=row.backplane) as bench:
                described = self.result.peers[peer.key]
                described["version"] = described["version"] or aspnetcore(bench.server.pids)
                gc.collect()
                if row.once is not None:
                    figures: Figures | None = await row.once(bench, partial(self._warm, bench, row))
                else:
                    assert row.load is not None
                    figures = await self._loaded(bench, row, row.load, number)
                if figures is not None and number is not None:
                    self.result.measurements.append(Measurement(number, peer.key, row.key, figures))
        except* (LoadError, OSError, WSHandshakeError) as errors:
            error = _first(errors)
        if error is None:
            return True
        self.result.failures.append(Failure(number or 0, peer.key, row.key, str(error) or type(error).__name__))
        self.report(f"  {peer.name}, {row.title}: {error}")
        return False

    async def _loaded(self, bench: Bench, row: Row, load: Load, number: int | None) -> Figures | None:
        """Warm the server if this process has not been, and measure."""
        async with load(bench) as run:
            if row.key not in bench.warmed:
                await self._warm(bench, row, run)
            if number is None:
                return None
            await run(self.settings.again)
            gc.collect()
            return await run(self.settings.seconds)

    async def _warm(self, bench: Bench, row: Row, run: Run) -> None:
        async def load(seconds: float) -> Slice:
            compiled, started = bench.server.compiling(), time.perf_counter()
            figures = await run(seconds)
            took = time.perf_counter() - started
            return Slice(per_core(figures), took, (bench.server.compiling() - compiled) / took)

        warmed = await warm(bench.server.peer.key, row.key, self.settings, load)
        self.result.warm_ups.append(warmed)
        bench.warmed.add(row.key)


def _first(group: BaseException) -> BaseException:
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group
