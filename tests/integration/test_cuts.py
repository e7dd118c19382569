"""Cut at any byte on real sockets, over every transport, codec and plain HTTP, a viewer has exactly the run's parts."""

import os
import random
import time
from collections.abc import Iterator

import pytest

from tests.integration.cuts import ALL_WAYS, rounds
from tests.interop.running import running
from tests.runs.cuts import Tally

KEPT: list[int] = []
"""Seeds that have found a mistake; each that does stays."""

BUDGET = float(os.environ.get("HUBLINE_BUDGET", "30"))
"""Seconds of the slow test."""


@pytest.fixture(scope="module", params=["accelerated", "uvicorn"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    with running("tests.integration.cuts_server", "--server", request.param) as address:
        yield address


@pytest.mark.rule("R1", "R2", "R7", "H1")
async def test_cut_at_any_byte_on_real_sockets(url: str) -> None:
    total = await rounds(url, [*KEPT, *range(20)])
    assert total.cuts > 300
    assert total.half_open > 100
    assert total.snapshots > 20
    assert total.merged > 20
    assert total.ways == set(ALL_WAYS)


@pytest.mark.slow
@pytest.mark.timeout(BUDGET + 300)
async def test_cut_at_any_byte_on_real_sockets_for_long(url: str) -> None:
    """Thousands of cuts, from seeds that nobody has seen: whoever sees a failure is told its seed."""
    total, first, until = Tally(), random.SystemRandom().randrange(10**9), time.monotonic() + BUDGET
    while time.monotonic() < until:
        total.add(await rounds(url, range(first, first + 20)))
        first += 20
    print(total)
    assert total.cuts > 20 * BUDGET
