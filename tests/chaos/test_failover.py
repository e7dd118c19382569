"""Redis fails over while answers run and viewers read: what was promised is kept."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.chaos.failover import kill_primary, lose_what_follows, move_slots, promote, watched
from tests.chaos.fleet import Place, fleet_at
from tests.chaos.load import load
from tests.chaos.storage import DURABLE
from tests.chaos.test_chaos import SEED
from tests.valkey_cluster import Cluster, valkey_cluster

pytestmark = [pytest.mark.valkey, pytest.mark.timeout(300)]


@pytest.mark.rule("R32")
async def test_a_replica_that_sentinel_promotes_has_every_answer() -> None:
    async with watched() as pair, fleet_at(pair.places, pair.primary, SEED) as servers:
        async with load(servers) as running:
            await running.begin(6, tokens=60, pace=0.05)
            await promote(servers, pair)
            await running.begin(6, tokens=20, pace=0.05)
            await running.catch_up()
        assert running.states() == {"completed": 12}


@pytest.mark.slow
@pytest.mark.rule("R32")
async def test_what_a_replica_had_not_received_is_told_and_not_skipped() -> None:
    async with watched() as pair, fleet_at(pair.places, pair.primary, SEED) as servers, load(servers) as running:
        await running.begin(6, tokens=60, pace=0.05)
        await running.catch_up()
        await lose_what_follows(pair)
        await asyncio.sleep(0.5)
        await promote(servers, pair)
        await running.begin(6, tokens=20, pace=0.05)
        await running.catch_up()


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with valkey_cluster(3, 1, *DURABLE) as formed:
        yield formed


@pytest.mark.slow
@pytest.mark.rule("R32", "R34")
async def test_a_cluster_moves_slots_and_loses_a_primary_and_no_answer(cluster: Cluster) -> None:
    places = [Place(node.url) for node in cluster.primaries[1:]] * 2
    async with fleet_at(places[:3], cluster.primaries[1], SEED) as servers:
        async with load(servers) as running:
            await running.begin(12, tokens=100, pace=0.05)
            first, second = list(running.runs)[:4], list(running.runs)[4:8]
            await move_slots(cluster, first, cluster.primaries[0])
            await move_slots(cluster, second, cluster.primaries[2])
            await running.catch_up()
            await kill_primary(servers, cluster)
            await running.begin(6, tokens=20, pace=0.05)
            await running.catch_up()
        assert running.states() == {"completed": 18}
