"""Servers are killed and frozen, their storage is restarted and frozen: what was promised is kept, the rest is told."""

import os
import random
import time
from collections.abc import Callable

import pytest

from tests.chaos.faults import FAULTS, replace_server
from tests.chaos.fleet import fleet
from tests.chaos.load import load
from tests.chaos.storage import Open, in_postgres, in_postgres_behind_a_pool, in_redis
from tests.chaos.workers import WORKER_FAULTS, fleet_of_workers

pytestmark = pytest.mark.timeout(300)

BUDGET = float(os.environ.get("HUBLINE_BUDGET", "30"))
SEED = int(os.environ.get("HUBLINE_SEED", random.randrange(1_000_000)))
"""HUBLINE_SEED shows a failure again, as far as processes let it."""

REDIS = pytest.param(in_redis, id="redis", marks=pytest.mark.valkey)
POSTGRES = pytest.param(in_postgres, id="postgres", marks=[pytest.mark.postgres, pytest.mark.slow])
POOL = pytest.param(
    in_postgres_behind_a_pool, id="pgbouncer", marks=[pytest.mark.pgbouncer, pytest.mark.postgres, pytest.mark.slow]
)


@pytest.mark.rule("R30", "R31", "R32")
@pytest.mark.statement(196)
@pytest.mark.parametrize("storage", [REDIS, POSTGRES, POOL])
async def test_no_answer_is_lost_or_doubled_whatever_fails(storage: Callable[[], Open]) -> None:
    async with fleet(SEED, storage) as servers, load(servers) as running:
        for fault in servers.seeded.sample(FAULTS, len(FAULTS)):
            print(fault.__name__)
            await running.begin(6, tokens=60, pace=0.05)
            await fault(servers)
            await running.catch_up()


@pytest.mark.slow
@pytest.mark.timeout(180 + 3 * BUDGET)
@pytest.mark.parametrize("storage", [REDIS, POSTGRES, POOL])
async def test_the_same_for_as_long_as_the_budget_lasts(storage: Callable[[], Open]) -> None:
    until = time.monotonic() + BUDGET
    async with fleet(SEED, storage) as servers, load(servers) as running:
        while time.monotonic() < until:
            fault = servers.seeded.choice([*FAULTS, replace_server])
            print(fault.__name__)
            await running.begin(6, tokens=servers.seeded.randrange(1, 120), pace=0.05)
            await fault(servers)
            await running.catch_up()


@pytest.mark.slow
@pytest.mark.timeout(180 + 3 * BUDGET)
@pytest.mark.rule("R30", "R31")
async def test_workers_lose_and_double_nothing_for_as_long_as_the_budget_lasts() -> None:
    until = time.monotonic() + BUDGET
    async with fleet_of_workers(SEED) as servers, load(servers) as running:
        while time.monotonic() < until:
            fault = servers.seeded.choice(WORKER_FAULTS)
            print(fault.__name__)
            await running.begin(6, tokens=servers.seeded.randrange(1, 120), pace=0.05)
            await fault(servers)
            await running.catch_up()
