"""Connections to Redis as redis-py makes them: each does one thing, and is kept by us, not by a pool."""

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
    "retry": None,  # a line comes back by itself
    "retry_on_error": [],
    "retry_on_timeout": False,
    "health_check_interval": 0,
}
"""What a connection of ours has, whatever the client or the address says. The rest is theirs."""

CHANNELS_OF_A_COMMAND = 1000
"""How many channels one SUBSCRIBE names: what Redis does in one go, others wait for. Ours."""


def channel_name(prefix: str, channel: str) -> bytes:
    """The name of a channel in Redis. Raises BackplaneError for text that UTF-8 cannot carry."""
    try:
        return (prefix + channel).encode()
    except UnicodeEncodeError as error:
        raise BackplaneError(f"{channel!r} is no name of a channel: {error}") from error


class Connection(Protocol):
    """What we use of `redis.asyncio.connection.AbstractConnection`."""

    async def connect(self) -> None: ...

    async def disconnect(self, nowait: bool = False) -> None: ...

    def pack_commands(self, commands: Iterable[Iterable[Any]]) -> list[bytes]: ...

    async def send_packed_command(self, command: Iterable[bytes], check_health: bool = True) -> None: ...

    async def read_response(self, disable_decoding: bool = False, timeout: float | None = None) -> Any:
        """`None` when `timeout` seconds have passed; `math.inf` waits for ever."""


class Connections:
    """Opens connections to one Redis, by its address or as a ready client of redis-py has them.

    Raises:
        ConfigurationError: the address is none, or the client is of another kind.
    """

    def __init__(self, redis: str | Redis) -> None:
        self._client = redis
        """Kept: a pool of Sentinel's is alive only while its client is."""
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
