"""Redis or Valkey as a backplane, alone or as a cluster, shared with ASP.NET Core. Needs the extra `redis`.

Channels and payloads are those of `Microsoft.AspNetCore.SignalR.StackExchangeRedis` (spec §9): servers of both kinds
can serve one hub.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from redis.asyncio import Redis, RedisCluster

from hubline._clock import Clock, MonotonicClock
from hubline._tasks import TaskOwner
from hubline.backplanes.base import BackplaneLink, BackplaneListener
from hubline.backplanes.lines import Pauses
from hubline.backplanes.redis_connections import HOME, Connections, channel_name
from hubline.backplanes.redis_hearing import Hearing
from hubline.backplanes.redis_partitions import Partitions
from hubline.backplanes.redis_publishing import Publishing
from hubline.backplanes.redis_slots import Slots
from hubline.errors import BackplaneError, ConfigurationError

__all__ = ["RedisBackplane"]


class RedisBackplane:
    """Connects servers through one Redis, Valkey, or another server with their protocol, or through a cluster of them.

    `redis` is an address, as for redis-py's `from_url` (`redis://`, `rediss://` with TLS, `unix://`, with user and
    password), or a client of `redis.asyncio`, such as one that Sentinel made, or a `RedisCluster`: its settings are
    used, its connections are not. An address may be that of any node of a cluster.

    `mode="aspnetcore"` has the channels of ASP.NET Core; in a cluster each message reaches every node. With
    `mode="sharded"` (Redis 7, Valkey) a message reaches only the node of its channel: channels are in 128 partitions,
    which the nodes share. .NET servers do not subscribe to them. All servers of a hub must have the same mode.

    `prefix` precedes the name of every channel: the original's `ChannelPrefix`. With `local_first` clients of the
    sending server get a message at once, but not in the common order of all servers. A link has one connection to
    publish, and one for its subscriptions, which the first of them opens; if sharded, one of each to every node.

    Raises:
        ConfigurationError: the address or the mode is not valid, or the client is of another type.
    """

    def __init__(
        self,
        redis: str | Redis | RedisCluster = "redis://localhost:6379",
        *,
        mode: Literal["aspnetcore", "sharded"] = "aspnetcore",
        prefix: str = "",
        local_first: bool = False,
        clock: Clock | None = None,
    ) -> None:
        if mode not in ("aspnetcore", "sharded"):
            raise ConfigurationError([f"the mode of RedisBackplane is 'aspnetcore' or 'sharded', not {mode!r}"])
        self._connections, self._prefix, self._sharded = Connections(redis), prefix, mode == "sharded"
        self.local_first = local_first
        self._clock = clock or MonotonicClock()

    async def connect(self, listener: BackplaneListener) -> BackplaneLink:
        """Make a link; see `Backplane.connect`."""
        link = RedisLink(self._connections, listener, Partitions(self._prefix, sharded=self._sharded), self._clock)
        await link.start()
        return link

    def _pauses(self, tasks: TaskOwner) -> Pauses:
        """The pauses between attempts to make a link: a log of runs that reaches the same Redis ends them."""
        return Pauses(self._connections.broker(HOME), tasks, self._clock)


class RedisLink:
    """One server's connections: one to publish and one to subscribe, to each node that is needed."""

    def __init__(
        self, connections: Connections, listener: BackplaneListener, partitions: Partitions, clock: Clock
    ) -> None:
        self._partitions, self._sharded = partitions, partitions.sharded
        self._slots = Slots(connections, clock, sharded=self._sharded)
        self._publishing = Publishing(connections, self._slots, partitions.verbs, clock)
        self._hearing = Hearing(connections, listener, "", clock, slots=self._slots, partitions=partitions)
        self._starting = asyncio.Lock()
        self._hears = self._closed = False

    async def start(self) -> None:
        """Connect. After a BackplaneError the link is closed."""
        try:
            await self._slots.start()
            await self._publishing.router.start()
        except BaseException:
            await self.close()
            raise

    async def publish(self, channels: Sequence[str], payload: bytes) -> int | None:
        """See `BackplaneLink.publish`."""
        if not self._sharded:
            names = [channel_name(self._partitions.prefix, channel) for channel in channels]
            receivers = await self._publishing.publish(0, names, payload) if names else 0
            # the count lacks subscribers at other nodes
            return None if self._slots.is_cluster and names else receivers
        if len(channels) == 1:
            partition, name = self._partitions.place(channels[0])
            receivers = await self._publishing.publish(partition.slot, (name,), payload)
        else:
            receivers = await self._publish_each(channels, payload)
        return receivers or (None if self._slots.changing else 0)

    async def _publish_each(self, channels: Sequence[str], payload: bytes) -> int:
        """Publish at several nodes. A refusal of one node does not prevent publishing at the others."""
        answers, failure = list[asyncio.Future[int]](), list[BaseException]()
        placed = [self._partitions.place(channel) for channel in channels]
        for partition, name in placed:
            try:
                answers.append(self._publishing.publish(partition.slot, (name,), payload))
            except BackplaneError as error:
                failure.append(error)
        results = await asyncio.gather(*answers, return_exceptions=True)
        failure += [result for result in results if isinstance(result, BaseException)]
        if failure:
            raise failure[0]
        return sum(result for result in results if isinstance(result, int))

    async def subscribe(self, channels: Sequence[str]) -> None:
        """See `BackplaneLink.subscribe`."""
        async with self._starting:
            if not self._hears:
                if self._closed:
                    raise BackplaneError("the link is closed")
                await self._hearing.start()
                self._hears = True
        await self._hearing.subscribe(channels)

    async def unsubscribe(self, channels: Sequence[str]) -> None:
        """See `BackplaneLink.unsubscribe`."""
        if self._hears:
            await self._hearing.unsubscribe(channels)

    def brokers(self, channels: Iterable[str]) -> Mapping[str, str]:
        """See `SeveralBrokers`."""
        found: dict[str, str] = {}
        for channel in channels if self._sharded and self._slots.is_cluster else ():
            node = self._slots.owner(self._partitions.place(channel)[0].slot)
            if node is not None:
                found.setdefault(str(node), channel)
        return found

    def renew_broker(self, name: str) -> None:
        """See `SeveralBrokers`."""
        self._publishing.router.lines.renew(name)
        self._hearing.renew(name)
        self._slots.ask_again()

    def renew(self) -> None:
        """See `BackplaneLink.renew`."""
        self._publishing.router.lines.renew()  # one may be lost: after a failover it may go to the former primary
        self._hearing.renew()
        self._slots.ask_again()

    async def close(self) -> None:
        """See `BackplaneLink.close`."""
        self._closed = True
        await self._slots.close()
        await self._publishing.router.close()
        await self._hearing.close()
