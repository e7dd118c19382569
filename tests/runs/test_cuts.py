"""Cut at any byte, on every transport and codec, a viewer has exactly what the run had at its position (`cuts.py`)."""

import os
import random

import pytest

from tests.runs.byte_lines import LINES
from tests.runs.cuts import WAYS, rounds, scenario

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
