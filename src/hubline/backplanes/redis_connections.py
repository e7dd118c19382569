"""Connections to Redis through redis-py. Each has one purpose, and no pool manages them."""

import asyncio
import re
from collections.abc import Hashable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol
from weakref import WeakValueDictionary

from redis.asyncio import Connection as TcpConnection
from redis.asyncio import ConnectionPool, Redis, RedisCluster, UnixDomainSocketConnection
from redis.crc import key_slot
from redis.exceptions import (
    AskError,
    ClusterDownError,
    MovedError,
    NoPermissionError,
    NoScriptError,
    ResponseError,
    TryAgainError,
)

from hubline._loops import PerLoop
from hubline.backplanes.lines import PATIENCE, Broker
from hubline.backplanes.redis_buffered import BufferedConnection
from hubline.errors import BackplaneError, ConfigurationError

__all__ = [
    "HOME",
    "AskError",
    "ClusterDownError",
    "Connection",
    "Connections",
    "MovedError",
    "NoPermissionError",
    "NoScriptError",
    "Node",
    "ResponseError",
    "TryAgainError",
    "channel_name",
    "key_slot",
    "refusal",
]

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

LIMITS = "socket_timeout", "socket_connect_timeout"
"""The settings without which a server that says nothing would be waited for without end."""

CHANNELS_OF_A_COMMAND = 1000
"""The number of channels in one SUBSCRIBE. Other clients of Redis wait while it is executed. Ours."""


def channel_name(prefix: str, channel: str) -> bytes:
    """The name of a channel in Redis. Raises BackplaneError for text that UTF-8 cannot carry."""
    try:
        return (prefix + channel).encode()
    except UnicodeEncodeError as error:
        raise BackplaneError(f"{channel!r} is no name of a channel: {error}") from error


def refusal(error: Exception, command: str, *names: bytes | str) -> str:
    """The reason why Redis refused a command. A missing right is named as `ACL SETUSER` writes it."""
    text = str(error)
    if not isinstance(error, NoPermissionError) and "ACL failure" not in text:  # the latter is said of scripts
        return text
    named = re.search(r"run the '(.+?)' command", text)
    if named:
        return f"the user lacks the right +{named[1]}"
    some = ", ".join(each.decode(errors="replace") if isinstance(each, bytes) else each for each in names[:3])
    some += ", …" if len(names) > 3 else ""
    if "channel" in text:
        return f"the user lacks the right to one of these channels (&PATTERN): {some}"
    if "key" in text:
        return f"the user lacks the right to one of these keys (~PATTERN): {some}"
    return f"the user lacks a right for {command}: {text}"


class Node(NamedTuple):
    """The address of one server of a cluster."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}" if self.host else "Redis"


HOME = Node("", 0)
"""The name for the server of the address or the client."""


BROKERS: PerLoop[WeakValueDictionary[Hashable, Broker]] = PerLoop(lambda _: WeakValueDictionary())
"""By their addresses, as long as there are lines to them: a backplane and a log of runs often share one."""


class Connection(Protocol):
    """The used part of `redis.asyncio.connection.AbstractConnection`, of one that is open."""

    async def disconnect(self, nowait: bool = False) -> None: ...

    def pack_commands(self, commands: Iterable[Sequence[Any]]) -> list[bytes]: ...

    async def send_packed_command(self, command: Iterable[bytes], check_health: bool = True) -> None: ...

    async def read_response(self, disable_decoding: bool = False, timeout: float | None = None) -> Any:
        """The next response; `None` after `timeout` seconds. `math.inf` waits without a limit."""


class Connections:
    """Opens connections to one Redis, by its address or with the settings of a redis-py client, or to a cluster.

    Raises:
        ConfigurationError: the address is not valid, or the client is of another type.
    """

    def __init__(self, redis: str | Redis | RedisCluster) -> None:
        self._client = redis
        """Kept because a pool of Sentinel lives only as long as its client."""
        self.seeds = [HOME]
        """The nodes to ask first: those of a cluster that the client was given."""
        if isinstance(redis, str):
            try:
                pool: Any = ConnectionPool.from_url(redis)
            except ValueError as error:
                raise ConfigurationError([f"the address of Redis is not valid: {error}"]) from error
        elif isinstance(redis, Redis):
            pool = redis.connection_pool
        elif isinstance(redis, RedisCluster):
            pool = redis.startup_nodes[0]
            self.seeds = [Node(each.host, int(each.port)) for each in redis.startup_nodes]
        else:
            kind = type(redis).__qualname__
            raise ConfigurationError([f"{kind} is neither an address nor a client of redis.asyncio"])
        self._pool = pool
        self.host: str = pool.connection_kwargs.get("host", "localhost")
        """The host of `HOME`."""

    def broker(self, node: Node) -> Broker:
        """What all lines to this node have in common, those of other objects with its address included."""
        name: Hashable = node
        if node == HOME:
            settings = self._pool.connection_kwargs
            at_home = Node(self.host, int(settings.get("port", 6379)))
            name = settings.get("path") or getattr(self._pool, "service_name", None) or at_home
        return BROKERS.of(asyncio.get_running_loop()).setdefault(name, Broker())

    async def open(self, node: Node = HOME) -> Connection:
        """A connection that is logged in. Raises the errors of redis-py."""
        made, settings = self._pool.connection_class, {**self._pool.connection_kwargs, **OVERRIDES}
        settings |= {name: PATIENCE for name in LIMITS if settings.get(name) is None}
        if node != HOME:
            if issubclass(made, UnixDomainSocketConnection):
                made = TcpConnection
                settings.pop("path", None)
            settings |= {"host": node.host, "port": node.port}
        connection = made(**settings)
        await connection.connect()
        return BufferedConnection(connection)

    async def ask(self, node: Node, *commands: tuple[Any, ...]) -> list[Any]:
        """The answers to these commands, refusals included, on a connection of their own."""
        connection = await self.open(node)
        try:
            await connection.send_packed_command(connection.pack_commands(commands), check_health=False)
            answers: list[Any] = []
            for _ in commands:
                try:
                    answers.append(await connection.read_response(disable_decoding=True))
                except ResponseError as error:
                    answers.append(error)
            return answers
        finally:
            await connection.disconnect(nowait=True)
