"""A connection of redis-py that reads responses that have already arrived without a wait, and packs commands itself.

redis-py sets a timer for each response, and checks each part of a command several times. Together that is half of the
cost of a message through Redis: docs/decisions/the-accelerated-path.md.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from hubline.errors import BackplaneError

try:
    from redis._parsers.hiredis import NOT_ENOUGH_DATA
except ImportError:  # another version of redis-py: every response is awaited
    NOT_ENOUGH_DATA = object()


class BufferedConnection:
    """Wraps one open connection."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.disconnect = connection.disconnect
        self._patience: float | None = connection.socket_timeout
        connection.socket_timeout = None  # redis-py would start a task for the time limit of each write
        # Without hiredis, redis-py parses by itself, and its parser has no such reader.
        reader = getattr(getattr(connection, "_parser", None), "_reader", None)
        self._take: Callable[[bool], Any] = getattr(reader, "gets", _nothing)

    def pack_commands(self, commands: Iterable[Sequence[Any]]) -> list[bytes]:
        return [b"".join(_parts(commands))]

    async def send_packed_command(self, command: Iterable[bytes], check_health: bool = True) -> None:
        """Write. Raises TimeoutError after the seconds of the settings; the connection is lost then.

        A connection that is lost stays lost: redis-py would open another one, whose answers nobody awaits.
        """
        if not self._connection.is_connected:
            raise BackplaneError("the connection to Redis was lost")
        async with asyncio.timeout(self._patience):
            await self._connection.send_packed_command(command, check_health=check_health)

    async def read_response(self, disable_decoding: bool = False, timeout: float | None = None) -> Any:
        """The next response, in bytes; `None` after `timeout` seconds, or an error after those of the settings."""
        found = self._take(False)
        if found is NOT_ENOUGH_DATA:
            limit = self._patience if timeout is None else timeout
            found = await self._connection.read_response(disable_decoding=True, timeout=limit)
            if found is None and timeout is None:
                raise BackplaneError(f"Redis has not answered within {limit:g} s")
        if isinstance(found, Exception):
            raise found
        return found


def _nothing(decode: bool) -> Any:
    return NOT_ENOUGH_DATA


def _parts(commands: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    """Arrays of strings, as Redis takes commands."""
    for command in commands:
        yield b"*%d\r\n" % len(command)
        for part in command:
            data = part if type(part) is bytes else encoded(part)
            yield b"$%d\r\n%b\r\n" % (len(data), data)


def encoded(part: Any) -> bytes:
    """A part of a command. Raises TypeError, and UnicodeEncodeError for text that UTF-8 cannot carry."""
    if isinstance(part, str):
        return part.encode()
    if isinstance(part, bytes | bytearray | memoryview):
        return bytes(part)
    if isinstance(part, int | float) and not isinstance(part, bool):
        return repr(part).encode()
    raise TypeError(f"Redis takes text, bytes and numbers, not {part!r}")
