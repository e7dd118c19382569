"""Cut at any byte, on every transport and codec, a viewer has exactly what the run had at its position (`cuts.py`)."""

import os
import random
from contextlib import aclosing

import pytest

from hubline.runs import Run, Runs
from hubline.runs.values import as_json
from tests.runs.byte_lines import LINES
from tests.runs.cuts import WAYS, rounds, scenario
from tests.runs.viewer import Page, clocked

KEPT = [974_778_192]
"""Seeds that have found a mistake, in the product or in the clients here; each that does stays."""

LONG = int(os.environ.get("HUBLINE_CUT_ROUNDS", "3000"))


@pytest.mark.rule("R1", "R2", "R7", "R18", "R19", "R20")
async def test_cut_at_any_byte() -> None:
    total = await rounds(range(40))
    assert total.cuts > 1_000
    assert total.snapshots > 100
    assert total.merged > 50
    assert total.behind > 50
    assert total.ways == set(WAYS)
    assert {transport for transport, _ in total.ways} == set(LINES)


@pytest.mark.rule("R1")
@pytest.mark.parametrize("seed", KEPT)
async def test_seeds_that_have_found_a_mistake(seed: int) -> None:
    await scenario(seed)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_cut_at_any_byte_for_long() -> None:
    first = random.SystemRandom().randrange(10**9)  # whoever sees a failure is told its seed
    await rounds(range(first, first + LONG))


async def comes_back(runs: Runs, run_id: str, size: int) -> int | None:
    """How often a viewer has to come that is cut behind so many bytes of items each time; `None` if for ever."""
    page = Page()
    for times in range(1, 50):
        left = size
        async with aclosing(runs.attach(run_id, page.position)) as items:
            async for item in items:
                left -= len(as_json(item))
                if left < 0:
                    break
                page.apply(item)
        page.cut()
        if page.end is not None:
            assert len(page.text) == TEXT
            return times
    return None


TEXT = 300_000


@pytest.mark.rule("R2", "R19")
@pytest.mark.parametrize(
    ("resync", "size", "arrives"),
    [(65_536, 400_000, True), (65_536, 200_000, False), (1_048_576, 70_000, True), (1_048_576, 50_000, False)],
)
async def test_what_a_connection_must_carry_before_it_is_cut(resync: int, size: int, arrives: bool) -> None:
    """A whole snapshot; where `resync` lets the backlog be sent instead, an item of 64 KiB. The guide says so."""

    async def answer(run: Run) -> None:
        for _ in range(TEXT // 1_000):
            await run.text("x" * 1_000)

    runs, _ = clocked(resync=resync)
    run = await runs.start(answer)
    await run.wait()
    assert (await comes_back(runs, run.id, size) is not None) is arrives
