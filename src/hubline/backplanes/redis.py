"""Redis or Valkey as a backplane, shared with ASP.NET Core. Needs the extra `redis`.

Channels and payloads are those of `Microsoft.AspNetCore.SignalR.StackExchangeRedis` (spec §9): servers of both kinds
can serve one hub.
"""

import asyncio
from collections.abc import Sequence

from redis.asyncio import Redis

from hubline._clock import Clock, MonotonicClock
from hubline.backplanes.base import BackplaneLink, BackplaneListener
from hubline.backplanes.redis_connections import Connections, channel_name
from hubline.backplanes.redis_hearing import Hearing
from hubline.backplanes.redis_publishing import Publishing
from hubline.errors import BackplaneError

__all__ = ["RedisBackplane"]


class RedisBackplane:
    """Connects servers through one Redis, Valkey, or another server with their protocol.

    `redis` is an address, as redis-py's `from_url` takes it (`redis://`, `rediss://` with TLS, `unix://`, user and
    password in it), or a ready client of `redis.asyncio`, such as one that Sentinel made: its settings are taken, its
    connections are not. `prefix` stands in front of every channel: the original's `ChannelPrefix`. With `local_first`
    the clients of the server that sends get a message at once, and not with the order that all servers see. A link has
    one connection to publish, and one for its subscriptions, which is opened for the first of them.

    Raises:
        ConfigurationError: the address is not valid, or the client is of another type.
    """

    def __init__(
        self,
        redis: str | Redis = "redis://localhost:6379",
        *,
        prefix: str = "",
        local_first: bool = False,
        clock: Clock | None = None,
    ) -> None:
        self._connections, self._prefix = Connections(redis), prefix
        self.local_first = local_first
        self._clock = clock or MonotonicClock()

    async def connect(self, listener: BackplaneListener) -> BackplaneLink:
        """Make a link; see `Backplane.connect`."""
        publishing = Publishing(self._connections, self._clock)
        await publishing.start()
        return RedisLink(
            publishing, Hearing(self._connections, listener, self._prefix, self._clock), prefix=self._prefix
        )


class RedisLink:
    """One server's two connections."""

    def __init__(self, publishing: Publishing, hearing: Hearing, *, prefix: str) -> None:
        self._publishing, self._hearing, self._prefix = publishing, hearing, prefix
        self._starting = asyncio.Lock()
        self._hears = self._closed = False

    async def publish(self, channels: Sequence[str], payload: bytes) -> int:
        names = [channel_name(self._prefix, channel) for channel in channels]
        return await self._publishing.publish(names, payload) if names else 0

    async def subscribe(self, channels: Sequence[str]) -> None:
        async with self._starting:
            if not self._hears:
                if self._closed:
                    raise BackplaneError("the link is closed")
                await self._hearing.start()
                self._hears = True
        await self._hearing.subscribe(channels)

    async def unsubscribe(self, channels: Sequence[str]) -> None:
        if self._hears:
            await self._hearing.unsubscribe(channels)

    def renew(self) -> None:
        self._publishing.renew()  # it may be the one that goes astray: after a failover, to a server that lost its rank
        self._hearing.renew()

    async def close(self) -> None:
        self._closed = True
        await self._publishing.close()
        await self._hearing.close()
