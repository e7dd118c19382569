"""A cluster of Valkey servers as processes of their own, its slots, and who takes over when one dies."""

import asyncio
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import PubSub

from tests.ports import free_ports
from tests.valkey import Valkey, until

NODE_TIMEOUT, FAILOVER_TIMEOUT = 5_000, 2_000
"""Milliseconds after which a node is taken for dead by the others, the second where a replica waits for that: no busy
machine may make one look dead that is not."""


async def ask(server: Valkey, *command: Any) -> Any:
    """What one server answers, in bytes."""
    async with Redis(port=server.port, protocol=2, socket_timeout=30) as redis:
        redis.response_callbacks.clear()
        return await redis.execute_command(*command)  # type: ignore[no-untyped-call]


class Cluster:
    """Primaries with equal shares of the slots, and replicas, each of another of them."""

    def __init__(self, nodes: list[Valkey], bus_port: int, primaries: int) -> None:
        self._bus_port = bus_port
        """Of the first node."""
        self.nodes, self.primaries, self.replicas = nodes, nodes[:primaries], nodes[primaries:]
        self.url = nodes[0].url

    async def form(self) -> None:
        """Return when all nodes agree."""
        share = 16_384 / len(self.primaries)
        for number, node in enumerate(self.primaries):
            first, last = round(number * share), round((number + 1) * share) - 1
            await ask(node, "CLUSTER", "ADDSLOTSRANGE", first, last)
            await ask(node, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for node in self.nodes[1:]:
            await ask(node, "CLUSTER", "MEET", "127.0.0.1", self.nodes[0].port, self._bus_port)
        for primary, node in zip(self.primaries, self.replicas, strict=False):
            await until(lambda node=node: self.knows(node, len(self.nodes)))  # type: ignore[misc]
            await ask(node, "CLUSTER", "REPLICATE", await self.id_of(primary))
        await until(self.agrees)
        await self.fence()

    async def id_of(self, node: Valkey) -> str:
        return str((await ask(node, "CLUSTER", "MYID")).decode())

    async def knows(self, node: Valkey, count: int) -> bool:
        return len((await ask(node, "CLUSTER", "NODES")).splitlines()) == count

    async def agrees(self) -> bool:
        """Whether all nodes serve, know all slots, and all replicas."""
        expected = [len(self.replicas[number : number + 1]) + 1 for number in range(len(self.primaries))]
        for node in self.nodes:
            if b"cluster_state:ok" not in await ask(node, "CLUSTER", "INFO"):
                return False
            parts = sorted(await ask(node, "CLUSTER", "SLOTS"), key=lambda part: int(part[0]))
            if [len(part) - 2 for part in parts] != expected:
                return False
        for node in self.replicas:
            if b"master_link_status:up" not in await ask(node, "INFO", "replication"):
                return False
        return True

    async def fence(self) -> None:
        """Return when each node hears what is published at each other, and has heard what was published before.

        A node forgets what it should pass on to another as long as there is no line between them, and nobody says so:
        a cluster that has just been formed has not all of them yet.
        """
        for hears in self.nodes:
            async with Redis(port=hears.port) as redis, redis.pubsub(ignore_subscribe_messages=True) as pubsub:
                await pubsub.subscribe("fence")
                for node in self.nodes:
                    text = secrets.token_hex(8)

                    async def passed(node: Valkey = node, text: str = text, pubsub: PubSub = pubsub) -> bool:
                        await ask(node, "PUBLISH", "fence", text)
                        while (message := await pubsub.get_message(timeout=0.1)) is not None:
                            if message["data"] == text.encode():
                                return True
                        return False

                    await until(passed)

    async def owner(self, slot: int, *, seen_by: Valkey | None = None) -> Valkey:
        for first, last, (_, port, *_), *_ in await ask(seen_by or self.primaries[-1], "CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return next(node for node in self.nodes if node.port == port)
        raise AssertionError(f"nobody has slot {slot}")

    async def move(self, slot: int, to: Valkey) -> None:
        """Move a slot with its keys, as `valkey-cli --cluster reshard` does."""
        source = await self.owner(slot)
        await ask(to, "CLUSTER", "SETSLOT", slot, "IMPORTING", await self.id_of(source))
        await ask(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", await self.id_of(to))
        while keys := await ask(source, "CLUSTER", "GETKEYSINSLOT", slot, 10):
            await ask(source, "MIGRATE", "127.0.0.1", to.port, "", 0, 5000, "KEYS", *keys)
        for node in dict.fromkeys((to, source, *self.primaries)):
            await ask(node, "CLUSTER", "SETSLOT", slot, "NODE", await self.id_of(to))


@contextmanager
def valkey_cluster(primaries: int = 3, replicas: int = 0, *options: str) -> Iterator[Cluster]:
    """A cluster that runs while the block does. Not for a running event loop: it has its own to form the cluster."""
    count = primaries + replicas
    ports = free_ports(2 * count)
    settings = [
        "--cluster-enabled",
        "yes",
        "--cluster-node-timeout",
        str(FAILOVER_TIMEOUT if replicas else NODE_TIMEOUT),
        *options,
    ]
    settings += ["--cluster-require-full-coverage", "no"]
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stopping:
        nodes = []
        for number, (port, bus_port) in enumerate(zip(ports[:count], ports[count:], strict=True)):
            own = Path(directory) / str(number)
            own.mkdir()
            nodes.append(Valkey(port, own, *settings, "--cluster-port", str(bus_port)))
            stopping.callback(nodes[-1].stop)
            nodes[-1].start()
        made = Cluster(nodes, ports[count], primaries)
        asyncio.run(made.form())
        yield made
