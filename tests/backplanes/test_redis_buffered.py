"""What has arrived from Redis is taken without waiting, and commands are packed as redis-py does."""

import asyncio
import math
from types import SimpleNamespace
from typing import Any

import pytest
from redis._parsers.hiredis import NOT_ENOUGH_DATA
from redis.asyncio import Connection as RedisConnection
from redis.exceptions import ResponseError

from hubline.backplanes.redis_buffered import BufferedConnection
from hubline.backplanes.redis_connections import Connections
from hubline.errors import BackplaneError
from tests.valkey import valkey


class Slow:
    """A connection of redis-py. `arrived` is what its parser has already, `later` what a read waits for."""

    def __init__(self, *arrived: Any, later: Any = None) -> None:
        self.waited: list[float | None] = []
        self.socket_timeout: float | None = 3.0
        self.is_connected = True
        self.written = list[Any]()
        self.takes = asyncio.Event()
        self._arrived, self._later = list(arrived), later
        self._parser = SimpleNamespace(_reader=SimpleNamespace(gets=self._gets))

    def _gets(self, decode: bool) -> Any:
        assert decode is False
        return self._arrived.pop(0) if self._arrived else NOT_ENOUGH_DATA

    async def read_response(self, disable_decoding: bool, timeout: float | None) -> Any:
        assert disable_decoding
        self.waited.append(timeout)
        return self._later

    async def disconnect(self, nowait: bool = False) -> None: ...

    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        await self.takes.wait()
        self.written.append((command, check_health))


async def test_what_has_arrived_is_taken_without_a_wait() -> None:
    slow = Slow(1, b"two", ResponseError("refused"), later=b"four")
    connection = BufferedConnection(slow)
    assert [await connection.read_response() for _ in range(2)] == [1, b"two"]
    with pytest.raises(ResponseError, match="refused"):
        await connection.read_response(timeout=math.inf)
    assert slow.waited == []
    assert await connection.read_response(timeout=2.5) == b"four"
    assert slow.waited == [2.5]


async def test_a_read_without_a_limit_of_its_own_has_that_of_the_settings() -> None:
    slow = Slow()
    connection = BufferedConnection(slow)
    assert slow.socket_timeout is None, "redis-py would make a task for each write"
    assert await connection.read_response(timeout=1) is None
    with pytest.raises(BackplaneError, match="not answered within 3 s"):
        await connection.read_response()
    assert slow.waited == [1, 3.0]


async def test_a_parser_that_is_another_is_only_slower() -> None:
    slow = Slow(later=b"waited for")
    del slow._parser
    assert await BufferedConnection(slow).read_response() == b"waited for"


async def test_a_write_has_the_limit_of_the_settings() -> None:
    slow = Slow()
    slow.socket_timeout = 0.0
    with pytest.raises(TimeoutError):
        await BufferedConnection(slow).send_packed_command([b"PING"], check_health=False)
    assert slow.written == []
    slow.socket_timeout = None
    slow.takes.set()
    await BufferedConnection(slow).send_packed_command([b"PING"], check_health=False)
    assert slow.written == [([b"PING"], False)]


def test_commands_are_packed_as_redis_py_does() -> None:
    commands = [
        ("PUBLISH", b"caf\xc3\xa9", b"\x00\r\n"),
        ("SET", "café", 5, 0.25),
        ("X", bytearray(b"y"), memoryview(b"z")),
    ]
    packed = BufferedConnection(Slow()).pack_commands(commands)
    assert b"".join(packed) == b"".join(RedisConnection().pack_commands(commands))
    for value in (None, True, object()):
        with pytest.raises(TypeError, match="Redis takes text, bytes and numbers, not"):
            BufferedConnection(Slow()).pack_commands([("SET", "key", value)])


@pytest.mark.valkey
async def test_a_real_connection_is_read_once_for_answers_that_come_together(monkeypatch: pytest.MonkeyPatch) -> None:
    with valkey() as server:
        connection = await Connections(server.url).open()
        waits = list[float | None]()
        read = RedisConnection.read_response

        async def counted(self: RedisConnection, disable_decoding: bool, timeout: float | None) -> Any:
            waits.append(timeout)
            return await read(self, disable_decoding=disable_decoding, timeout=timeout)

        monkeypatch.setattr(RedisConnection, "read_response", counted)
        commands = [("ECHO", str(number)) for number in range(50)]
        await connection.send_packed_command(connection.pack_commands(commands), check_health=False)
        assert [await connection.read_response() for _ in range(50)] == [b"%d" % number for number in range(50)]
        assert 1 <= len(waits) < 10
        await connection.disconnect()


async def test_a_lost_connection_is_not_made_again_by_a_write() -> None:
    slow = Slow()
    slow.is_connected = False
    with pytest.raises(BackplaneError, match="was lost"):
        await BufferedConnection(slow).send_packed_command([b"PING"])
    assert slow.written == []
