"""Redis is replaced by its replica while it is used: by Sentinel, or by the other nodes of its cluster."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from redis.crc import key_slot

from tests.chaos.fleet import Fleet, Place
from tests.chaos.storage import DURABLE
from tests.ports import free_port
from tests.valkey import Valkey, sentinel, until, valkey
from tests.valkey_cluster import Cluster, ask

SERVERS = 3


@dataclass
class Watched:
    """A primary with one replica, and a Sentinel that watches both."""

    primary: Valkey
    replica: Valkey
    port: int
    """Of the Sentinel."""

    @property
    def places(self) -> list[Place]:
        return [Place(f"sentinel://127.0.0.1:{self.port}/main")] * SERVERS

    async def replicates(self) -> bool:
        return b"master_link_status:up" in await ask(self.replica, "INFO", "replication")

    async def is_promoted(self) -> bool:
        return b"role:master" in await ask(self.replica, "INFO", "replication")

    async def knows_the_replica(self) -> bool:
        watch = Valkey(self.port, self.primary._directory)
        return len(await ask(watch, "SENTINEL", "REPLICAS", "main")) == 1


@asynccontextmanager
async def watched() -> AsyncIterator[Watched]:
    with valkey(*DURABLE) as primary, valkey("--replicaof", "127.0.0.1", str(primary.port), *DURABLE) as replica:
        pair = Watched(primary, replica, 0)
        await until(pair.replicates)
        with sentinel(primary, "main") as port:
            pair.port = port
            await until(pair.knows_the_replica)
            yield pair


async def all_ready(fleet: Fleet) -> None:
    for member in fleet.members:
        await until(member.ready)


async def lose_what_follows(pair: Watched) -> None:
    """From now on the replica gets nothing: what the primary confirms is lost when it is killed."""
    await ask(pair.replica, "REPLICAOF", "127.0.0.1", free_port())


async def promote(fleet: Fleet, pair: Watched) -> None:
    """The primary is killed."""
    pair.primary.stop()
    await until(pair.is_promoted)
    await all_ready(fleet)


def slot_of(run_id: str) -> int:
    return int(key_slot(run_id.encode()))


async def move_slots(cluster: Cluster, run_ids: list[str], to: Valkey) -> None:
    """Move the slots of these runs, with their keys, unless they are there."""
    for slot in map(slot_of, run_ids):
        if await cluster.owner(slot) is not to:
            await cluster.move(slot, to)


async def kill_primary(fleet: Fleet, cluster: Cluster) -> None:
    """The first one, which has a replica."""
    gone, replica = cluster.primaries[0], cluster.replicas[0]
    gone.stop()

    async def is_promoted() -> bool:
        return b"role:master" in await ask(replica, "INFO", "replication")

    await until(is_promoted)
    await asyncio.gather(*(until(member.ready) for member in fleet.members))
