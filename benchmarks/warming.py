"""When a server is warm: its rate has stopped rising, and its compiler rests.

ASP.NET Core and Node.js compile while they run, and compile again what is called often. Between two such steps the rate
of ASP.NET Core can stand still for seconds and then rise by half. So the rate alone does not tell; the CPU time of the
thread that compiles does.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from benchmarks.settings import Settings

RESTS = 0.001
"""Share of a slice below which a compiler did nothing. When there is something to compile it takes 5 % to 25 %."""


@dataclass(frozen=True, slots=True)
class Slice:
    """A second, or what is set, of the row's own load."""

    rate: float
    """The work in a second of the server's CPU, in the unit of the row."""
    seconds: float
    """Its seconds; a load that cannot be divided takes longer than planned."""
    compiling: float = 0.0
    """Share of a core that the server's compiler used."""


@dataclass(frozen=True, slots=True)
class WarmUp:
    """How a peer was warmed for a row."""

    peer: str
    row: str
    rates: list[float]
    """Of each slice."""
    seconds: float
    steady: bool
    """Whether the rate had stopped rising when the time was over."""

    @property
    def rise(self) -> float:
        """How many times the first rate the best one is."""
        return max(self.rates) / self.rates[0] if self.rates[0] else 1.0


def steady(slices: Sequence[Slice], last: float, rise: float) -> bool:
    """Whether the last slices, which together took at least `last` seconds, bring nothing new.

    None of them is better by more than `rise` (a share) than the best before, and nothing was compiled meanwhile.
    """
    recent, before, seconds = list[Slice](), list(slices), 0.0
    while before and seconds < last:
        recent.append(before.pop())
        seconds += recent[-1].seconds
    if not before:
        return False
    best = max(each.rate for each in before)
    return all(each.rate <= best * (1 + rise) and each.compiling < RESTS for each in recent)


async def warm(
    peer: str,
    row: str,
    settings: Settings,
    load: Callable[[float], Awaitable[Slice]],
    clock: Callable[[], float] = time.perf_counter,
) -> WarmUp:
    """Put `load` on a server, slice by slice, until it is steady, for `warm_most` seconds at the most."""
    slices: list[Slice] = []
    started = clock()
    while True:
        slices.append(await load(settings.warm_slice))
        done = steady(slices, settings.warm_last, settings.warm_rise)
        took = clock() - started
        if done or took >= settings.warm_most:
            return WarmUp(peer, row, [each.rate for each in slices], took, done)
