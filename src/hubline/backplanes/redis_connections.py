"""Connections to Redis through redis-py. Each has one purpose, and no pool manages them."""

from collections.abc import Iterable
from typing import Any, Protocol, cast

from redis.asyncio import ConnectionPool, Redis
from redis.exceptions import NoScriptError, ResponseError

from hubline.errors import BackplaneError, ConfigurationError

__all__ = ["Connection", "Connections", "NoScriptError", "ResponseError", "channel_name"]

OVERRIDES: dict[str, Any] = {
    "protocol": 2,  # messages and confirmations come as plain arrays, in the order in which they were sent
    "decode_responses": False,
    "maint_notifications_config": None,  # of protocol 3
    "retry": None,  # a line reconnects by itself
    "retry_on_error": [],
    "retry_on_timeout": False,
    "health_check_interval": 0,
}
"""The settings that override those of the client or the address."""

CHANNELS_OF_A_COMMAND = 1000
"""The number of channels in one SUBSCRIBE. Other clients of Redis wait while it is executed. Ours."""


def channel_name(prefix: str, channel: str) -> bytes:
    """The name of a channel in Redis. Raises BackplaneError for text that UTF-8 cannot carry."""
    try:
        return (prefix + channel).encode()
    except UnicodeEncodeError as error:
        raise BackplaneError(f"{channel!r} is no name of a channel: {error}") from error


class Connection(Protocol):
    """The used part of `redis.asyncio.connection.AbstractConnection`."""

    async def connect(self) -> None: ...

    async def disconnect(self, nowait: bool = False) -> None: ...

    def pack_commands(self, commands: Iterable[Iterable[Any]]) -> list[bytes]: ...

    async def send_packed_command(self, command: Iterable[bytes], check_health: bool = True) -> None: ...

    async def read_response(self, disable_decoding: bool = False, timeout: float | None = None) -> Any:
        """The next response; `None` after `timeout` seconds. `math.inf` waits without a limit."""


class Connections:
    """Opens connections to one Redis, by its address or with the settings of a redis-py client.

    Raises:
        ConfigurationError: the address is not valid, or the client is of another type.
    """

    def __init__(self, redis: str | Redis) -> None:
        self._client = redis
        """Kept because a pool of Sentinel lives only as long as its client."""
        if isinstance(redis, str):
            try:
                self._pool: Any = ConnectionPool.from_url(redis)
            except ValueError as error:
                raise ConfigurationError([f"the address of Redis is not one: {error}"]) from error
        elif isinstance(redis, Redis):
            self._pool = redis.connection_pool
        else:
            kind = type(redis).__qualname__
            raise ConfigurationError([f"{kind} is neither an address nor a client of redis.asyncio for one server"])

    async def open(self) -> Connection:
        """A connection that is logged in. Raises whatever redis-py does."""
        connection = cast("Connection", self._pool.connection_class(**{**self._pool.connection_kwargs, **OVERRIDES}))
        await connection.connect()
        return connection
