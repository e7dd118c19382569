"""The gate for what a connection says: what goes out in which stage, and that the wire knows."""

import pytest

from hubline import Client, Hub
from hubline.server.connection import HubConnectionContext
from hubline.testing import settle
from hubline.wire.connection import State
from hubline.wire.json import JsonCodec
from hubline.wire.messages import Completion, Invocation, Ping
from tests.server.bench import Bench, Line, bench, called

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
