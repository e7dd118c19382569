"""Sharded pub/sub: on one server and on a cluster, whose slots move, and whose nodes go and come back."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, cast

import pytest
from redis.asyncio import RedisCluster
from redis.asyncio.cluster import ClusterNode

from hubline import BackplaneError, ConfigurationError, Hub, HubApp, HubRoute, InvocationError
from hubline.backplanes import lines, redis_pipelines, redis_slots
from hubline.backplanes.redis import RedisBackplane, RedisLink
from hubline.backplanes.redis_partitions import Partitions
from hubline.testing import BackplaneSuite, connect
from hubline.testing.backplane import MakeBackplane
from tests.backplanes.test_redis_outages import Told, fails, succeeds
from tests.valkey import LIMIT, Valkey, until, valkey
from tests.valkey_cluster import Cluster, ask, valkey_cluster

pytestmark = pytest.mark.valkey


@pytest.fixture
def cluster_with_a_replica() -> Iterator[Cluster]:
    with valkey_cluster(3, 1) as formed:
        yield formed


class OnRedis(BackplaneSuite):
    """Each test has channels of its own."""

    number = 0

    def make(self, prefix: str) -> RedisBackplane:
        raise NotImplementedError

    @asynccontextmanager
    async def backplanes(self) -> AsyncIterator[MakeBackplane]:
        OnRedis.number += 1
        prefix = f"{type(self).__name__}{OnRedis.number}:"
        yield lambda: self.make(prefix)


class TestShardedOnOneServer(OnRedis):
    @pytest.fixture(autouse=True)
    def _server(self, server: Valkey) -> None:
        self.server = server

    def make(self, prefix: str) -> RedisBackplane:
        return RedisBackplane(self.server.url, mode="sharded", prefix=prefix)


class OnCluster(OnRedis):
    @pytest.fixture(autouse=True)
    def _cluster(self, cluster: Cluster) -> None:
        self.cluster = cluster


class TestShardedOnACluster(OnCluster):
    def make(self, prefix: str) -> RedisBackplane:
        return RedisBackplane(self.cluster.url, mode="sharded", prefix=prefix)


class TestAspNetCoreOnACluster(OnCluster):
    """Each app is given another node."""

    def make(self, prefix: str) -> RedisBackplane:
        self.next = getattr(self, "next", 0) + 1
        return RedisBackplane(self.cluster.nodes[self.next % 3].url, prefix=prefix)


@asynccontextmanager
async def linked(redis: Any, **settings: Any) -> AsyncIterator[tuple[RedisLink, Told]]:
    heard = Told()
    link = cast("RedisLink", await RedisBackplane(redis, mode="sharded", **settings).connect(heard))
    try:
        yield link, heard
    finally:
        await link.close()


def slot_of(channel: str, prefix: str = "") -> int:
    return Partitions(prefix, sharded=True).place(channel)[0].slot


async def channels_on(cluster: Cluster, node: Valkey, *, others: bool = False) -> list[str]:
    """Names whose partitions this node has, or another one, each in another partition."""
    found: dict[int, str] = {}
    parts = [
        part for part in await ask(cluster.primaries[-1], "CLUSTER", "SLOTS") if (part[2][1] == node.port) ^ others
    ]
    for number in range(500):
        slot = slot_of(f"c{number}")
        if any(first <= slot <= last for first, last, *_ in parts):
            found.setdefault(slot, f"c{number}")
    return list(found.values())


async def clients(node: Valkey) -> int:
    lines = (await ask(node, "CLIENT", "LIST", "TYPE", "normal")).splitlines()
    lines += (await ask(node, "CLIENT", "LIST", "TYPE", "pubsub")).splitlines()
    return sum(1 for line in lines if b"cmd=client|list" not in line)


async def test_two_connections_to_each_node_whatever_is_published_and_heard(cluster: Cluster) -> None:
    async def counts(expected: list[int]) -> bool:
        return [await clients(node) for node in cluster.nodes] == expected

    await until(lambda: counts([0, 0, 0]))
    async with linked(cluster.url) as (link, heard):
        await until(lambda: counts([1, 1, 1]))
        channels = [f"two:{number}" for number in range(300)]
        await link.subscribe(channels)
        await asyncio.gather(*[link.publish(channels, b"x") for _ in range(5)])
        await heard.take(1500)
        await until(lambda: counts([2, 2, 2]))


async def test_a_channel_is_at_the_node_that_has_its_partition_and_nowhere_else(cluster: Cluster) -> None:
    async with linked(cluster.url) as (link, _):
        for node in cluster.nodes:
            channel = (await channels_on(cluster, node))[0]
            await link.subscribe([channel])
            name = Partitions("", sharded=True).place(channel)[1]
            for other in cluster.nodes:
                assert await ask(other, "PUBSUB", "SHARDCHANNELS") == ([name] if other is node else [])
                assert await ask(other, "PUBSUB", "CHANNELS") == []
            assert await link.publish([channel], b"x") == 1
            await link.unsubscribe([channel])
            assert await ask(node, "PUBSUB", "SHARDCHANNELS") == []
            assert await link.publish([channel], b"x") == 0


async def test_any_node_of_a_cluster_or_a_ready_client_will_do(cluster: Cluster) -> None:
    client = RedisCluster(host="127.0.0.1", port=cluster.nodes[1].port, client_name="mine")
    async with linked(cluster.nodes[2].url) as (one, _), linked(client) as (two, heard):
        channels = [f"c{number}" for number in range(30)]
        await two.subscribe(channels)
        assert await one.publish(channels, b"x") == 30
        assert {channel for channel, _ in await heard.take(30)} == set(channels)
        for node in cluster.nodes:
            assert (await ask(node, "CLIENT", "LIST")).count(b"name=mine") == 2
    await client.aclose()


async def test_the_first_address_may_be_that_of_a_dead_node_of_a_client(cluster: Cluster) -> None:
    with valkey() as gone:
        gone.stop()
        nodes = [ClusterNode("127.0.0.1", node.port) for node in (gone, cluster.nodes[1])]
        client = RedisCluster(startup_nodes=nodes)
        async with linked(client) as (link, _):
            assert await link.publish(["a"], b"x") == 0
        await client.aclose()


def test_no_other_mode_is_one() -> None:
    with pytest.raises(ConfigurationError, match="'aspnetcore' or 'sharded', not 'cluster'"):
        RedisBackplane(mode=cast("Any", "cluster"))


# A slot moves


class Traffic:
    """Numbers, published on each of these channels by one link, ten at a time, until the end."""

    def __init__(self, link: RedisLink, channels: list[str]) -> None:
        self._link, self._channels, self._over = link, channels, False
        self.sent: dict[int, float] = {}
        """By number, when."""
        self._rounds: asyncio.Queue[None] = asyncio.Queue()
        self._task = asyncio.create_task(self._publish())

    async def _publish(self) -> None:
        while not self._over:
            numbers = range(len(self.sent), len(self.sent) + 10)
            self.sent.update(dict.fromkeys(numbers, time.time()))
            await asyncio.gather(
                *(self._link.publish([channel], b"%d" % number) for number in numbers for channel in self._channels)
            )
            self._rounds.put_nowait(None)
        for channel in self._channels:
            await self._link.publish([channel], b"end")

    async def more(self) -> None:
        """Return after a few more rounds."""
        async with asyncio.timeout(LIMIT):
            for _ in range(self._rounds.qsize() + 3):
                await self._rounds.get()

    async def end(self) -> None:
        self._over = True
        await self._task


async def until_the_ends(heard: Told, channels: list[str]) -> dict[str, list[int]]:
    """What has come on each channel, in this order."""
    found: dict[str, list[int]] = {channel: [] for channel in channels}
    ends = set(channels)
    async with asyncio.timeout(LIMIT):
        while ends:
            channel, payload = await heard.messages.get()
            if payload == b"end":
                ends.remove(channel)
            else:
                found[channel].append(int(payload))
    return found


async def has_subscribers(node: Valkey, channel: str, count: int) -> bool:
    name = Partitions("", sharded=True).place(channel)[1]
    return bool(await ask(node, "PUBSUB", "SHARDNUMSUB", name) == [name, count])


async def test_a_slot_moves_under_traffic(cluster: Cluster) -> None:
    source, to = cluster.primaries[0], cluster.primaries[1]
    moving, *staying = (await channels_on(cluster, source))[:4]
    staying += (await channels_on(cluster, source, others=True))[:4]
    channels = [moving, *staying]
    async with linked(cluster.url) as (one, by_one), linked(cluster.url) as (two, by_two):
        await one.subscribe(channels)
        await two.subscribe(channels)
        for there in (to, source):
            traffic = Traffic(one, channels)
            await traffic.more()
            await cluster.move(slot_of(moving), there)
            await until(lambda there=there: has_subscribers(there, moving, 2))  # type: ignore[misc]
            await by_one.gap()
            await by_two.gap()
            await traffic.more()
            await traffic.end()
            for heard in (by_one, by_two):
                found = await until_the_ends(heard, channels)
                for channel in staying:
                    assert found[channel] == list(traffic.sent), "nothing is lost of what did not move"
                assert found[moving] == sorted(set(found[moving])), "in order, and once"
                lost = [sent for number, sent in traffic.sent.items() if number not in found[moving]]
                for sent in lost:
                    assert any(since.timestamp() <= sent <= end.timestamp() for since, end in heard.gaps), "told of"
                assert found[moving][-1] == max(traffic.sent)
                heard.gaps.clear()


async def test_a_slot_that_moves_twice_and_back_is_followed(cluster: Cluster) -> None:
    first, second, third = cluster.primaries
    channel = (await channels_on(cluster, first))[1]
    async with linked(cluster.url) as (link, heard):
        await link.subscribe([channel])
        for there in (second, third, first):
            await cluster.move(slot_of(channel), there)
            await heard.gap()
            assert await link.publish([channel], b"x") == 1
            assert await heard.take(1) == [(channel, b"x")]


async def test_what_nobody_hears_has_no_gap_when_it_moves(cluster: Cluster) -> None:
    first, second, _ = cluster.primaries
    here, there = (await channels_on(cluster, first))[2:4]
    async with linked(cluster.url) as (link, heard):
        await link.subscribe([here])
        for node in (second, first):
            await cluster.move(slot_of(there), node)
            assert await link.publish([there], b"x") in (0, None)
            await link.subscribe([there])
            assert await link.publish([there], b"x") == 1
            assert await heard.take(1) == [(there, b"x")]
            await link.unsubscribe([there])
        assert heard.gaps == []


async def test_nobody_there_is_not_said_of_a_channel_whose_subscribers_may_be_on_their_way(cluster: Cluster) -> None:
    first, second, _ = cluster.primaries
    channel = (await channels_on(cluster, first))[4]
    async with linked(cluster.url) as (link, _):
        assert await link.publish([channel], b"x") == 0
        await cluster.move(slot_of(channel), second)
        assert await link.publish([channel], b"x") is None
        await cluster.move(slot_of(channel), first)


# A node goes


@pytest.mark.parametrize("way", ["killed", "frozen"])
async def test_a_replica_takes_over_and_only_its_channels_have_a_gap(
    cluster_with_a_replica: Cluster, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_slots, "REFRESH", 1.0)  # who only hears a frozen node looks for its replica this often
    for module in (lines, redis_pipelines, redis_slots):
        monkeypatch.setattr(module, "PATIENCE", 5.0)
    cluster = cluster_with_a_replica
    dying = cluster.primaries[0]
    theirs, others = (
        (await channels_on(cluster, dying))[:5],
        (await channels_on(cluster, dying, others=True))[:5],
    )
    async with linked(cluster.url) as (one, _), linked(cluster.nodes[1].url) as (two, heard):
        await two.subscribe([*theirs, *others])
        began = time.time()
        if way == "killed":
            dying.stop()
        else:
            dying.freeze()
        await until(lambda: fails(one.publish(theirs[:1], b"lost"), BackplaneError))
        assert await one.publish(others, b"meanwhile") == 5
        assert {channel for channel, _ in await heard.take(5)} == set(others)
        since, end = await heard.gap()
        assert since.timestamp() <= began < end.timestamp() <= time.time()
        await until(lambda: succeeds(one.publish(theirs, b"again"), BackplaneError))
        messages: set[tuple[str, bytes]] = set()
        while len(messages) < 5:
            messages |= {each for each in await heard.take(1) if each[1] == b"again"}
        assert {channel for channel, _ in messages} == set(theirs)
        assert len(heard.gaps) == 1, "one for all its partitions"
        assert str(cluster.replicas[0].port) in " ".join(two.brokers(theirs))


async def test_a_node_without_a_replica_goes_and_comes_back(cluster: Cluster) -> None:
    dying = cluster.primaries[2]
    theirs, others = (
        (await channels_on(cluster, dying))[:3],
        (await channels_on(cluster, dying, others=True))[:3],
    )
    async with linked(cluster.url) as (link, heard):
        await link.subscribe([theirs[0], *others])
        dying.stop()
        await until(lambda: fails(link.publish(theirs[:1], b"lost"), BackplaneError))
        assert await link.publish(others, b"meanwhile") == 3
        assert {channel for channel, _ in await heard.take(3)} == set(others)
        with pytest.raises(BackplaneError):
            await link.subscribe([theirs[1], others[0]])
        with pytest.raises(BackplaneError):
            await link.publish([others[0], theirs[0]], b"some")
        assert await heard.take(1) == [(others[0], b"some")], "what can be published is"
        async with linked(cluster.url) as (late, _):
            assert await late.publish(others[:1], b"from one that came meanwhile") == 1
            await heard.take(1)
            await asyncio.to_thread(dying.start)
            await heard.gap()
            await until(lambda: succeeds(link.publish(theirs[:1], b"again"), BackplaneError))
            assert (await heard.take(1))[0] == (theirs[0], b"again")
            await until(lambda: succeeds(late.publish(theirs[:1], b"late"), BackplaneError))
            assert (await heard.take(1))[0] == (theirs[0], b"late")
        await link.subscribe([theirs[1]])
        assert len(heard.gaps) == 1


async def test_only_the_connections_of_one_node_are_renewed(cluster: Cluster) -> None:
    node = cluster.primaries[0]
    mine, other = (await channels_on(cluster, node))[0], (await channels_on(cluster, node, others=True))[0]
    async with linked(cluster.url) as (link, heard):
        await link.subscribe([mine, other])
        (name,) = link.brokers([mine])
        before = {each: await ask(each, "CLIENT", "LIST", "TYPE", "pubsub") for each in cluster.nodes}
        link.renew_broker(name)
        await heard.gap()
        await until(lambda: succeeds(link.publish([mine], b"x"), BackplaneError))
        assert await heard.take(1) == [(mine, b"x")]
        for each in cluster.nodes:
            ids = [line.split()[0] for line in (await ask(each, "CLIENT", "LIST", "TYPE", "pubsub")).splitlines()]
            same = ids == [line.split()[0] for line in before[each].splitlines()]
            assert same is (each is not node)


async def test_a_closed_link_has_no_connections_and_says_so(cluster: Cluster) -> None:
    async with linked(cluster.url) as (link, _):
        await link.subscribe(["a"])
        await link.close()
        for call in (link.publish(["a"], b"x"), link.subscribe(["b"])):
            with pytest.raises(BackplaneError):
                await call

    async def none() -> bool:
        return [await clients(node) for node in cluster.nodes] == [0, 0, 0]

    await until(none)


class Chat(Hub):
    async def enter(self, room: str) -> None:
        await self.groups.add(self.context.connection_id, room)

    async def say(self, room: str, text: str) -> None:
        await self.clients.group(room).send("Said", text)

    async def on_backplane_gap(self, since: datetime, until: datetime) -> None:
        await self.clients.caller.send("Ask anew", since < until)


async def test_clients_stay_while_a_node_is_away_and_are_told_afterwards(cluster: Cluster) -> None:
    dying = cluster.primaries[1]
    apps = [
        HubApp({"/hub": HubRoute(Chat, name="Chat")}, backplane=RedisBackplane(node.url, mode="sharded"))
        for node in (cluster.primaries[0], cluster.primaries[2])
    ]
    one, two = apps
    async with one.lifespan(), two.lifespan(), connect(one, "/hub") as ada, connect(two, "/hub") as bob:
        here = await room_on(cluster, dying)
        there = await room_on(cluster, dying, others=True)
        for client in (ada, bob):
            await client.invoke("Enter", here)
            await client.invoke("Enter", there)
        dying.stop()
        await until(lambda: fails(ada.invoke("Say", here, "lost"), InvocationError))
        await ada.invoke("Say", there, "meanwhile")
        assert await bob.expect("Said") == await ada.expect("Said") == ["meanwhile"]
        assert all(app.ready for app in apps)
        await asyncio.to_thread(dying.start)
        async with asyncio.timeout(LIMIT):
            assert await ada.expect("Ask anew") == await bob.expect("Ask anew") == [True]
        await until(lambda: succeeds(ada.invoke("Say", here, "after"), InvocationError))
        assert await bob.expect("Said") == ["after"]
        for app in apps:
            assert app.statistics()["backplane"]["gaps"] == 1
            assert len(app.statistics()["backplane"]["brokers"]) == 3


async def room_on(cluster: Cluster, node: Valkey, *, others: bool = False) -> str:
    """The name of a group whose channel is at this node, or at another one."""
    for number in range(100):
        owner = await cluster.owner(slot_of(f"Chat:group:{number}"))
        if (owner is node) is not others:
            return str(number)
    raise AssertionError("no group is there")
