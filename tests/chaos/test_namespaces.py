"""Packets between servers and Redis are lost: a server that has gone deaf notices, and what was promised is kept."""

import random
import sys

import pytest

from conftest import ISOLATED
from tests.chaos.test_chaos import SEED
from tests.interop.running import ROOT
from tests.processes import process_group

pytestmark = [pytest.mark.slow, pytest.mark.valkey, pytest.mark.iproute, pytest.mark.netns, pytest.mark.timeout(300)]


async def partition(*scenarios: str) -> str:
    """Run these in a namespace of their own; what was printed."""
    command = [*ISOLATED, sys.executable, "-m", "tests.chaos.partition", str(SEED), *scenarios]
    async with process_group(*command, directory=ROOT, limit=280) as process:
        said, _ = await process.communicate()
    print(text := said.decode())
    assert process.returncode == 0, "see the output"
    return text


@pytest.mark.rule("R30", "R31", "R32")
@pytest.mark.statement(196)
async def test_a_server_that_hears_nothing_notices_and_its_runs_go_on_elsewhere() -> None:
    assert "not ready after" in await partition("until_it_is_deaf")


@pytest.mark.rule("R30", "R31", "R32")
async def test_lost_packets_cost_no_answer() -> None:
    await partition(*random.Random(SEED).sample(["for_a_moment", "when_answers_are_lost", "all_of_them"], 3))
