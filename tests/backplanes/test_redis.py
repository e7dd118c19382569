"""Redis as a backplane, on a real Valkey: the suite for all backplanes, what is sent and heard, and its refusals."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from redis import ConnectionPool
from redis import Redis as Blocking
from redis.asyncio import Redis

from hubline import BackplaneError, ConfigurationError
from hubline.backplanes import BackplaneLink
from hubline.backplanes.redis import RedisBackplane
from hubline.testing import BackplaneSuite
from hubline.testing.backplane import Heard, MakeBackplane
from tests.valkey import Valkey, valkey

pytestmark = pytest.mark.valkey


class OnValkey(BackplaneSuite):
    local_first = False

    @pytest.fixture(autouse=True)
    def _server(self, server: Valkey) -> None:
        self.server, self.number = server, 0

    @asynccontextmanager
    async def backplanes(self) -> AsyncIterator[MakeBackplane]:
        self.number += 1
        prefix = f"{self.number}:"
        yield lambda: RedisBackplane(self.server.url, prefix=prefix, local_first=self.local_first)
        async with Redis.from_url(self.server.url) as redis:
            assert [each for each in await redis.pubsub_channels() if str(each).startswith(f"b'{prefix}")] == []


class TestRedisBackplane(OnValkey):
    pass


class TestRedisBackplaneLocalFirst(OnValkey):
    local_first = True


@asynccontextmanager
async def linked(server: Valkey, **settings: Any) -> AsyncIterator[tuple[BackplaneLink, Heard]]:
    heard = Heard()
    link = await RedisBackplane(server.url, **settings).connect(heard)
    try:
        yield link, heard
    finally:
        await link.close()


async def test_two_connections_whatever_is_published_and_heard(server: Valkey) -> None:
    async with Redis.from_url(server.url) as redis, linked(server) as (link, heard):
        before = len(await redis.client_list())
        for number in range(20):
            await link.subscribe([f"two:{number}"])
        await asyncio.gather(*[link.publish([f"two:{number}" for number in range(20)], b"x") for _ in range(20)])
        await heard.take(400)
        assert len(await redis.client_list()) == before + 1, "the one that hears came with the first channel"


async def test_what_is_said_in_one_turn_leaves_in_one_write(server: Valkey) -> None:
    async with linked(server) as (link, _):
        writes = 0
        (line,) = cast("Any", link)._publishing.router.lines
        connection = line.connection
        send = connection.send_packed_command

        async def counted(*args: Any, **more: Any) -> None:
            nonlocal writes
            writes += 1
            await send(*args, **more)

        connection.send_packed_command = counted
        await asyncio.gather(*[link.publish(["joined"], b"x") for _ in range(100)])
        assert writes == 1


async def test_a_channel_more_than_one_command_takes(server: Valkey) -> None:
    channels = [f"many:{number}" for number in range(2500)]
    async with linked(server) as (link, heard):
        await link.subscribe(channels)
        assert await link.publish(channels, b"x") == 2500
        assert {channel for channel, _ in await heard.take(2500)} == set(channels)
        await link.unsubscribe(channels)
        assert await link.publish(channels, b"x") == 0


async def test_what_no_utf_8_can_carry_fails_alone(server: Valkey) -> None:
    async with linked(server) as (link, heard):
        await link.subscribe(["fine"])
        results = await asyncio.gather(
            link.publish(["\ud800"], b"x"), link.publish(["fine"], b"x"), return_exceptions=True
        )
        assert isinstance(results[0], BackplaneError)
        assert results[1] == 1
        with pytest.raises(BackplaneError, match="no name of a channel"):
            await link.subscribe(["\ud800"])
        assert await heard.take(1) == [("fine", b"x")]


async def test_a_ready_client_lends_its_settings_and_not_its_connections(server: Valkey) -> None:
    heard = Heard()
    async with Redis(port=server.port, protocol=3, decode_responses=True, client_name="mine") as client:
        link = await RedisBackplane(client).connect(heard)
        await link.subscribe(["ready"])
        assert await link.publish(["ready"], b"\xff") == 1
        assert await heard.take(1) == [("ready", b"\xff")]
        assert [each["name"] for each in await client.client_list()].count("mine") == 3
        await link.close()


async def test_a_user_with_the_rights_that_the_guide_lists_needs_no_more(server: Valkey) -> None:
    rights = "resetchannels &Chat.ChatHub:* &hubline:heartbeat:* -@all +publish +subscribe +unsubscribe"
    async with Redis.from_url(server.url) as redis:
        await cast("Any", redis).execute_command("ACL", "SETUSER", "hubline", "on", ">secret", *rights.split())
    backplane, heard = RedisBackplane(f"redis://hubline:secret@{server.address}"), Heard()
    link = await backplane.connect(heard)
    await link.subscribe(["Chat.ChatHub:all", "hubline:heartbeat:x"])
    assert await link.publish(["Chat.ChatHub:all"], b"x") == 1
    assert await heard.take(1) == [("Chat.ChatHub:all", b"x")]
    with pytest.raises(BackplaneError, match="refused a message"):
        await link.publish(["Other:all"], b"x")
    with pytest.raises(BackplaneError, match="refused to subscribe"):
        await link.subscribe(["Chat.ChatHub:group:g", "Other:all"])
    assert await link.publish(["Chat.ChatHub:group:g"], b"x") == 0
    await link.unsubscribe(["Chat.ChatHub:all"])
    assert await link.publish(["Chat.ChatHub:all"], b"x") == 0
    await link.close()


async def test_who_may_not_log_in_is_told_so(server: Valkey) -> None:
    with pytest.raises(BackplaneError, match=r"cannot be reached: .*password"):
        await RedisBackplane(f"redis://nobody:wrong@{server.address}").connect(Heard())


@pytest.mark.statement(197)
async def test_nobody_there_is_an_error_and_the_next_attempt_may_succeed() -> None:
    with valkey() as server:
        server.stop()
        backplane = RedisBackplane(server.url)
        with pytest.raises(BackplaneError, match="cannot be reached"):
            await backplane.connect(Heard())
        await asyncio.to_thread(server.start)
        link = await backplane.connect(Heard())
        assert await link.publish(["a"], b"x") == 0
        await link.close()


def test_what_is_no_redis_is_refused_at_once() -> None:
    with pytest.raises(ConfigurationError, match="is not valid"):
        RedisBackplane("localhost:6379")
    with pytest.raises(ConfigurationError, match=r"Redis is neither an address nor a client of redis\.asyncio"):
        RedisBackplane(cast("Any", Blocking(connection_pool=ConnectionPool())))
