"""The rounds: each starts every peer once, alone on its core, and takes it through the rows."""

import gc
import os
import time
from collections.abc import Callable, Sequence

from benchmarks.machine import aspnetcore, cores, describe
from benchmarks.peers import Peer
from benchmarks.process import running
from benchmarks.results import Failure, Measurement, Result
from benchmarks.rows.catalogue import Row
from benchmarks.rows.measuring import Bench
from benchmarks.settings import Settings
from hubline.cli.load import LoadError, allow_files

SPARE_FILES = 200
Report = Callable[[str], None]


async def run(settings: Settings, peers: Sequence[Peer], rows: Sequence[Row], report: Report) -> Result:
    """Everything. `report` is told what happens.

    Raises:
        ConfigurationError: so many connections need more open files than the system allows.
    """
    largest = max(settings.idle, 2 * settings.fallbacks, settings.recipients, *settings.growth_connections)
    allow_files(largest + SPARE_FILES)
    core, ours = cores()
    os.sched_setaffinity(0, {ours})
    gc.disable()  # the client's; it is collected between rows, so that no pause of ours is taken for the server's
    started = time.monotonic()
    here = [peer for peer in peers if not peer.missing()]
    result = Result(
        machine=describe() | {"server core": core, "client core": ours},
        settings=settings.as_dict(),
        peers={peer.key: {"name": peer.name, "version": peer.version()} for peer in here},
        left_out={peer.key: dict(peer.lacks) for peer in here},
        missing={peer.name: peer.missing() for peer in peers if peer not in here},
    )
    if core == ours:
        report("there is one core only, so server and load take it from each other: the throughput says little")
    for name, reason in result.missing.items():
        report(f"{name} is left out: {reason}")
    for number in range(settings.rounds):
        # Every other round backwards, so that a machine that grows slower hurts nobody more than others.
        for peer in here if number % 2 == 0 else reversed(here):
            report(f"{time.monotonic() - started:4.0f} s  round {number + 1} of {settings.rounds}: {peer.name}")
            wanted = [row for row in rows if row.key not in peer.lacks]
            await _through([row for row in wanted if not row.once], peer, core, number, settings, result, report)
            for row in wanted:
                if row.once and number == 0:
                    await _through([row], peer, core, number, settings, result, report)
    gc.enable()
    return result


async def _through(
    rows: list[Row], peer: Peer, core: int, number: int, settings: Settings, result: Result, report: Report
) -> None:
    """Take a peer through these rows, with a new process after one that failed."""
    left = list(rows)
    while left:
        row = left[0]
        try:
            async with running(peer, core) as server:
                bench = Bench(server, settings)
                described = result.peers[peer.key]
                described["version"] = described["version"] or aspnetcore(server.pids)
                while left:
                    row = left.pop(0)
                    gc.collect()
                    figures = await row.run(bench)
                    result.measurements.append(Measurement(number, peer.key, row.key, figures))
        except* (LoadError, OSError, TimeoutError) as errors:
            error = _first(errors)
            result.failures.append(Failure(number, peer.key, row.key, str(error) or type(error).__name__))
            report(f"  {row.title}: {error}")
            left = [each for each in left if each is not row]


def _first(group: BaseException) -> BaseException:
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group
