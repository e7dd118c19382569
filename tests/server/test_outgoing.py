"""The gate for what a connection says: what goes out in which stage, and that the wire knows."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from hubline import Client, Hub
from hubline.server.connection import HubConnectionContext
from hubline.testing import settle
from hubline.wire.json import JsonCodec
from hubline.wire.messages import Completion, Invocation, Ping
from hubline.wire.states import State
from tests.server.bench import Bench, Line, bench, called, done, item
from tests.server.test_reconnect import opened

NEWS = Invocation(target="News", arguments=())


class Quiet(Hub[Client]):
    async def nothing(self) -> None: ...


def connection_of(hub: Bench, line: Line) -> HubConnectionContext:
    connection = hub.runtime.fanout._index.connections[line.id]
    assert isinstance(connection, HubConnectionContext)
    return connection


@pytest.mark.parametrize("codec", ["json", "messagepack"])
async def test_messages_and_packets_go_out_in_order(codec: str) -> None:
    async with bench(Quiet) as hub:
        ada = await hub.connect(codec=codec)
        connection = connection_of(hub, ada)
        assert connection.send(NEWS)
        assert connection.broadcast(connection.codec.encode(Completion(invocation_id="1", result=2)))
        assert len(ada.take()) == 2


async def test_the_wire_knows_that_close_was_said() -> None:
    async with bench(Quiet) as hub:
        ada = await hub.connect()
        connection = connection_of(hub, ada)
        assert connection._wire.state is State.OPEN
        connection.close(allow_reconnect=True)
        connection.send(NEWS)
        await settle()
        assert ada.take() == [called("News"), {"type": 7, "allowReconnect": True}]
        assert connection._wire.state.name == "CLOSING"
        connection.send(NEWS)
        connection.broadcast(JsonCodec().encode(NEWS))
        await connection.drain()
        assert ada.take() == []


async def test_when_the_client_has_said_close_the_answer_ends_the_wire() -> None:
    async with bench(Quiet) as hub:
        ada = await hub.connect()
        connection = connection_of(hub, ada)
        ada.send({"type": 7})
        assert await ada.ended() == [{"type": 7}]
        assert connection._wire.state is State.CLOSED


async def test_a_connection_that_is_aborted_says_nothing_but_close_and_does_not_ping() -> None:
    async with bench(Quiet, keep_alive_interval=1) as hub:
        ada = await hub.connect()
        connection = connection_of(hub, ada)
        await hub.tick(1)
        assert ada.take() == [{"type": 6}]
        connection.abort()
        assert not connection.send(Ping())
        ada.transport.beat(hub.clock.now() + 5)
        assert await ada.ended() == [{"type": 7}]


class Fast(Hub[Client]):
    async def tokens(self) -> AsyncIterator[str]:
        for number in range(200):
            yield str(number)
            if number % 50 == 20:
                await self.clients.caller.send("News", number)
            if number == 150:
                await self.clients.latest("key").caller.send("News", number)

    async def closing(self) -> AsyncIterator[str]:
        for number in range(3):
            yield str(number)
        self.context.abort()
        yield "never"


async def told_after_waiting(ada: Line, method: str) -> list[Any]:
    """What a stream writes that has had to wait after its first item."""
    ada.transport.room.clear()
    ada.stream(method)
    await settle()
    ada.transport.room.set()
    await settle()
    return ada.take()


async def test_a_message_that_a_method_sends_between_its_items_comes_between_them() -> None:
    async with bench(Fast) as hub:
        ada = await hub.connect()
        expected: list[Any] = []
        for number in range(200):
            expected.append(item("1", str(number)))
            expected += [called("News", number)] * (number % 50 == 20 or number == 150)
        assert await told_after_waiting(ada, "Tokens") == [*expected, done("1")]


async def test_two_fast_streams_of_a_connection_each_keep_their_order() -> None:
    async with bench(Fast) as hub:
        ada = await hub.connect()
        ada.transport.room.clear()
        for _ in range(2):
            ada.stream("Tokens")
        await settle()
        ada.transport.room.set()
        await settle()
        told = ada.take()
        for stream in ("1", "2"):
            items = [message["item"] for message in told if message.get("invocationId") == stream and "item" in message]
            assert items == [str(number) for number in range(200)]


async def test_items_before_the_end_of_the_connection_are_written_before_close() -> None:
    async with bench(Fast) as hub:
        ada = await hub.connect()
        assert await told_after_waiting(ada, "Closing") == [item("1", "0"), item("1", "1"), item("1", "2"), {"type": 7}]


async def test_counted_messages_are_never_gathered() -> None:
    async with bench(Fast) as hub:
        ada = await opened(hub)
        connection = connection_of(hub, ada)
        assert connection._wire.replay is not None
        assert not connection.hold(lambda: None)
        connection.close()
        assert not connection.hold(lambda: None)
