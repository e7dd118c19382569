"""When a server counts as warm, with rates from a script and a clock that only the script moves."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from benchmarks.settings import TINY
from benchmarks.warming import Slice, WarmUp, warm

SETTINGS = replace(TINY, warm_slice=1.0, warm_last=3.0, warm_rise=0.03, warm_most=20.0)


async def warmed(*script: Slice) -> WarmUp:
    """The last slice of the script comes again and again."""
    now = 0.0
    slices: Iterator[Slice] = iter(script)
    last = script[-1]

    async def load(seconds: float) -> Slice:
        nonlocal now
        assert seconds == SETTINGS.warm_slice
        found = next(slices, last)
        now += found.seconds
        return found

    return await warm("peer", "row", SETTINGS, load, lambda: now)


def rates(*values: float, took: float = 1.0) -> list[Slice]:
    return [Slice(value, took) for value in values]


async def test_a_rate_that_never_rises_takes_one_slice_before_the_last_three_seconds() -> None:
    assert await warmed(*rates(100)) == WarmUp("peer", "row", [100, 100, 100, 100], 4.0, True)


async def test_it_goes_on_while_one_of_the_last_slices_is_better_than_all_before() -> None:
    rising = await warmed(*rates(29, 33, 38, 45, 54, 54, 55, 53))
    assert rising.rates == [29, 33, 38, 45, 54, 54, 55, 53]  # 55 is not 3 % above 54
    assert rising.steady
    assert rising.rise == pytest.approx(55 / 29)


async def test_a_slice_that_something_else_disturbed_does_not_hide_what_came_before_it() -> None:
    assert (await warmed(*rates(100, 60, 100, 102))).rates == [100, 60, 100, 102]


async def test_while_something_is_compiled_a_rate_that_stands_still_is_not_the_end() -> None:
    flat = [Slice(30, 1.0, compiling) for compiling in (0.0, 0.08, 0.0, 0.02, 0.0, 0.1)]
    done = await warmed(*flat, *rates(50, 51, 51, 51))
    assert done.rates == [30, 30, 30, 30, 30, 30, 50, 51, 51, 51]
    assert done.steady


async def test_a_rate_that_rises_for_ever_ends_with_the_time_and_is_told() -> None:
    endless = await warmed(*rates(*(1.1**number for number in range(40))))
    assert (len(endless.rates), endless.seconds, endless.steady) == (20, 20.0, False)


async def test_slices_that_take_longer_than_they_should_count_with_what_they_take() -> None:
    assert (await warmed(*rates(5, 5, took=4.0))).rates == [5, 5]
    assert (await warmed(*rates(5, 5, 5, took=2.0))).rates == [5, 5, 5]
    slow = await warmed(*rates(1, 2, 4, took=12.0))
    assert (slow.rates, slow.seconds, slow.steady) == ([1, 2], 24.0, False)
