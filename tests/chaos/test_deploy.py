"""A deploy in the middle of the day: one server after the other is stopped in good order and replaced."""

import pytest

from tests.chaos.faults import deploy
from tests.chaos.fleet import fleet
from tests.chaos.load import load
from tests.chaos.test_chaos import SEED
from tests.valkey import until

pytestmark = [pytest.mark.valkey, pytest.mark.timeout(300)]

RUNS = 60
"""Enough for each server to have some; with thrice as many a busy machine no longer answers within Redis's limits."""


@pytest.mark.rule("R30")
async def test_every_answer_goes_on_while_all_servers_are_replaced() -> None:
    async with fleet(SEED, drain=0.5) as servers:
        async with load(servers) as running:
            servers.hold()
            await running.begin(RUNS, tokens=20, pace=0.3)
            await until(running.called)  # a deploy that comes before calls them for the first time elsewhere
            await deploy(servers)
            servers.let_go()
        assert running.states() == {"completed": RUNS}
        assert running.fewest_attempts() > 1
