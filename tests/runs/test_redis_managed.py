"""The log, budgets and quotas in Redis with clients that the application has made: of a cluster, and of Sentinel."""

import asyncio
import datetime
from collections.abc import Iterator
from contextlib import aclosing

import pytest
from redis.asyncio import Redis, RedisCluster, Sentinel
from redis.asyncio.cluster import ClusterNode

from hubline.limits.redis_usage import RedisUsage
from hubline.runs import Run, RunLimits, Runs
from hubline.runs.redis_budget import RedisBudget
from hubline.runs.redis_log import RedisRunLog
from tests.ports import free_port
from tests.runs.fleet import say, text, to_the_end
from tests.valkey import LIMIT, Valkey, sentinel, until, valkey
from tests.valkey_cluster import Cluster, ask, valkey_cluster

pytestmark = pytest.mark.valkey


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with valkey_cluster() as formed:
        yield formed


async def charging(run: Run) -> None:
    await run.charge(3)
    await run.text("x")


async def test_a_client_of_a_cluster_whose_first_node_is_down(cluster: Cluster) -> None:
    nodes = [ClusterNode("127.0.0.1", port) for port in (free_port(), cluster.nodes[1].port)]
    client = RedisCluster(startup_nodes=nodes)
    limits = RunLimits(per_starter=1)
    servers = [Runs(log=RedisRunLog(client, lease=1.0), limits=limits, merge=0, drain=0) for _ in range(2)]
    budget, usage = RedisBudget(client, 10), RedisUsage(client)
    try:
        for number, starter in enumerate(("alice", "bob", "carol")):  # whose keys are in different slots
            run = await servers[number % 2].start(charging, starter=starter, key="k", room="r", budget=budget)
            items = await to_the_end(servers[1 - number % 2], run.id)
            assert (text(items), items[-1]["state"]) == ("x", "completed")
        assert await usage.add("alice", datetime.date(2026, 1, 1), 5) == 5
    finally:
        for runs in servers:
            await runs.drain()
        await budget.close()
        await usage.close()
        await client.aclose()


@pytest.mark.slow
async def test_a_run_goes_on_when_sentinel_promotes_a_replica() -> None:
    with valkey() as primary, valkey("--replicaof", "127.0.0.1", str(primary.port)) as replica:
        await until(lambda: says(replica, "master_link_status:up"))
        with sentinel(primary, "main") as port:
            client = Sentinel([("127.0.0.1", port)])  # type: ignore[no-untyped-call]
            await until(lambda: knows_the_replica(port))
            servers = [Runs(log=RedisRunLog(client.master_for("main")), merge=0, drain=0) for _ in range(2)]
            try:
                await goes_on(servers, primary, replica)
            finally:
                for runs in servers:
                    await runs.drain()
            for asked in client.sentinels:
                await asked.aclose()


async def goes_on(servers: list[Runs], primary: Valkey, replica: Valkey) -> None:
    words: asyncio.Queue[str | None] = asyncio.Queue()
    run = await servers[0].start(say, words, starter="alice", key="k")
    words.put_nowait("one ")
    async with asyncio.timeout(LIMIT), aclosing(servers[1].attach(run.id)) as viewed:
        items = [await anext(viewed)]
        while text(items) != "one ":
            items.append(await anext(viewed))
        await until(lambda: has_an_entry(replica, run.id))
        primary.stop()
        for word in ("two ", None):
            words.put_nowait(word)
        items += [item async for item in viewed]
    assert (text(items), items[-1]["state"]) == ("one two ", "completed")
    assert await says(replica, "role:master")
    again = await servers[1].start(say, words, starter="alice", key="other")
    await again.stop()


async def says(server: Valkey, field: str) -> bool:
    return field.encode() in await ask(server, "INFO", "replication")


async def knows_the_replica(port: int) -> bool:
    async with Redis(port=port) as redis:
        return len(await redis.sentinel_slaves("main")) == 1


async def has_an_entry(server: Valkey, run_id: str) -> bool:
    return bool(await ask(server, "XLEN", f"hubline:runs:{{{run_id}}}:log"))
