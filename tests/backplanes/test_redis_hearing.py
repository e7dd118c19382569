"""Whoever is subscribed hears, whatever came before: subscriptions given up, confirmations that never came."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from redis.asyncio import Redis

from hubline import BackplaneError
from hubline._clock import MonotonicClock
from hubline.backplanes import redis_listening
from hubline.backplanes.redis_connections import Connections
from hubline.backplanes.redis_hearing import Hearing
from hubline.testing.backplane import Heard
from tests.valkey import LIMIT, Valkey, until, valkey

pytestmark = pytest.mark.valkey


@pytest.fixture
def server() -> Iterator[Valkey]:
    with valkey() as started:
        yield started


@asynccontextmanager
async def hearing(server: Valkey) -> AsyncIterator[tuple[Hearing, Heard]]:
    heard = Heard()
    made = Hearing(Connections(server.url), heard, "", MonotonicClock())
    await made.start()
    try:
        yield made, heard
    finally:
        await made.close()


async def hears(server: Valkey, heard: Heard, channel: str) -> None:
    """Redis knows of one that hears it, and it arrives."""
    async with Redis.from_url(server.url) as redis:
        assert await redis.publish(channel, b"news") == 1
    async with asyncio.timeout(LIMIT):
        assert await heard.take(1) == [(channel, b"news")]


async def sent(calls: Any) -> "asyncio.Task[None]":
    """A call whose command has been written."""
    task = asyncio.create_task(calls)
    await asyncio.sleep(0)
    return task


async def test_one_that_gives_up_does_not_end_the_subscription_of_the_next(server: Valkey) -> None:
    async with hearing(server) as (made, heard):
        server.freeze()
        first = await sent(made.subscribe(["a"]))
        first.cancel()
        second = asyncio.create_task(made.subscribe(["a"]))  # before the first can take its own back
        await asyncio.wait([first])
        await asyncio.sleep(0)
        server.thaw()
        await second
        await made.subscribe(["later"])  # whatever was sent before has been done
        await hears(server, heard, "a")


async def test_a_redis_that_stands_still_unsubscribes_later_and_the_next_one_subscribes_again(
    server: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with hearing(server) as (made, heard):
        await made.subscribe(["a", "kept"])
        monkeypatch.setattr(redis_listening, "PATIENCE", 0.1)
        server.freeze()
        with suppress(BackplaneError):
            await made.unsubscribe(["a"])
        monkeypatch.undo()
        server.thaw()
        await made.subscribe(["a"])
        await hears(server, heard, "a")


async def test_what_is_given_up_as_its_connection_is_lost_does_not_hold_up_the_next_connection(
    server: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_listening, "PATIENCE", 10 * LIMIT)
    async with hearing(server) as (made, heard):
        await made.subscribe(["a"])
        server.freeze()
        given_up = await sent(made.subscribe(["b"]))
        given_up.cancel()
        made.renew()
        await asyncio.wait([given_up])
        server.thaw()

        async def again() -> bool:
            return made.lines.all_ready

        await until(again)
        await hears(server, heard, "a")


async def test_what_is_left_without_a_connection_is_not_subscribed_to_again(server: Valkey) -> None:
    async with hearing(server) as (made, heard), Redis.from_url(server.url) as redis:
        await made.subscribe(["a", "b"])
        made.renew()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        with pytest.raises(BackplaneError):
            await made.unsubscribe(["a"])
        await made.leave(["b"])

        async def again() -> bool:
            return made.lines.all_ready

        await until(again)
        assert await redis.pubsub_channels() == [b"a"]
        await made.subscribe(["b"])
        await hears(server, heard, "b")
