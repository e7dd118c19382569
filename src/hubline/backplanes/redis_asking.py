"""A connection for commands that is there when it is asked for. For whoever needs nothing else of Redis."""

import asyncio

from redis.asyncio import Redis, RedisCluster

from hubline._clock import Clock
from hubline.backplanes.redis_commands import Commands
from hubline.backplanes.redis_connections import Connections
from hubline.errors import BackplaneError


class Asking:
    """Connects when it is first used, and anew in another event loop. `ConfigurationError` as `Connections`."""

    def __init__(self, redis: str | Redis | RedisCluster, clock: Clock, prefix: str = "") -> None:
        self._connections, self._clock, self._prefix = Connections(redis), clock, prefix
        self._commands: Commands | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._starting: asyncio.Lock | None = None
        self._closed = 0
        """How often it was closed."""

    async def commands(self) -> Commands:
        """The connection. Raises BackplaneError when there was none yet, and Redis cannot be reached."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop or self._starting is None:
            self._loop, self._commands, self._starting = loop, None, asyncio.Lock()
        async with self._starting:
            if self._commands is None:
                commands, closed = Commands(self._connections, self._clock, self._prefix), self._closed
                await commands.start()
                if closed != self._closed:
                    await commands.close()
                    raise BackplaneError("the connection to Redis was closed")
                self._commands = commands
            return self._commands

    async def close(self) -> None:
        """Close the connection. Used again, it opens it again."""
        self._closed += 1
        commands, self._commands = self._commands, None
        if commands is not None and self._loop is asyncio.get_running_loop():
            await commands.close()
