"""Stateful reconnect as a hub lives it: numbered messages, senders that wait, sockets that come and go."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, ClassVar

import pytest

from hubline import Client, Hub
from hubline.errors import SendTooLarge
from hubline.server.recipients import All
from hubline.testing import settle
from hubline.wire.messages import Invocation
from hubline.wire.packet import SerializedMessage
from tests.server.bench import Bench, Line, bench, called, completion, item


class Room(Hub[Client]):
    ended: ClassVar[list[str]] = []

    async def on_disconnected(self, error: Exception | None) -> None:
        self.ended.append(self.context.connection_id)

    async def echo(self, value: Any) -> Any:
        return value

    async def big(self, size: int) -> str:
        return "x" * size

    async def count(self, n: int, size: int) -> AsyncIterator[str]:
        for _ in range(n):
            yield "x" * size

    async def join(self, name: str) -> None:
        await self.groups.add(self.context.connection_id, name)

    async def abort(self) -> None:
        self.context.abort()


@pytest.fixture(autouse=True)
def forget() -> None:
    Room.ended.clear()


async def opened(hub: Bench, *, version: int = 2, codec: str = "json") -> Line:
    line = hub.open(codec=codec, stateful_reconnect=True)
    line.send(b'{"protocol":"%s","version":%d}\x1e' % (codec.encode(), version))
    await settle()
    assert line.take() == [{}]
    return line


def lose(line: Line) -> None:
    """The socket is gone: what is written from now on goes nowhere."""
    line.transport.detached = True
    line.transport.written.clear()
    line.transport.write = lambda packet: False  # type: ignore[method-assign]


def reconnect(line: Line) -> None:
    """Another one has come."""
    line.transport.detached = False
    del line.transport.write
    assert line.transport.reconnected is not None
    line.transport.reconnected()


def ids(line: Line) -> list[str]:
    """Of the calls that were answered since."""
    return [message["invocationId"] for message in line.take() if message["type"] == 3]


async def test_the_window_is_told_to_the_transport() -> None:
    async with bench(Room, stateful_reconnect_window=60) as hub:
        ada = await opened(hub)
        assert (ada.transport.reconnected is not None, ada.transport.window) == (True, 60)


@pytest.mark.statement(171)
async def test_with_a_handshake_of_version_1_nothing_is_numbered_and_the_socket_is_the_connection() -> None:
    async with bench(Room) as hub:
        ada = await opened(hub, version=1)
        assert ada.transport.reconnected is None
        assert await ada.result("Echo", 1) == 1
        await hub.tick(2)
        assert ada.take() == []


async def test_without_stateful_reconnect_version_2_changes_nothing() -> None:
    async with bench(Room) as hub:
        ada = hub.open()
        ada.send(b'{"protocol":"json","version":2}\x1e')
        await settle()
        assert ada.transport.reconnected is None


@pytest.mark.statement(178)
async def test_a_call_is_acknowledged_within_a_second_and_silence_is_not() -> None:
    async with bench(Room) as hub:
        ada = await opened(hub)
        assert await ada.result("Echo", 1) == 1
        await hub.tick(1)
        assert ada.take() == [{"type": 8, "sequenceId": 1}]
        await hub.tick(5)
        assert ada.take() == []


@pytest.mark.statement(173, 175)
@pytest.mark.parametrize("codec", ["json", "messagepack"])
async def test_a_new_socket_gets_what_may_have_been_lost_and_what_was_said_meanwhile(codec: str) -> None:
    async with bench(Room) as hub:
        ada = await opened(hub, codec=codec)
        assert await ada.result("Echo", 1) == 1
        ada.send(b'{"type":8,"sequenceId":1}\x1e' if codec == "json" else b"\x03\x92\x08\x01")
        assert await ada.result("Echo", 2) == 2
        lose(ada)
        await hub.runtime.fanout.send(All(), SerializedMessage(Invocation(target="News", arguments=(3,))))
        reconnect(ada)
        sequence, answer, news = ada.take()
        if codec == "json":
            assert sequence == {"type": 9, "sequenceId": 2}
            assert (answer, news) == (completion("2", 2), called("News", 3))
        else:
            assert sequence == [9, 2]
            assert (answer[2], news[3]) == ("2", "News")
        assert Room.ended == []


@pytest.mark.statement(174)
async def test_with_nothing_to_say_again_the_next_number_is_said() -> None:
    async with bench(Room) as hub:
        ada = await opened(hub)
        assert await ada.result("Echo", 1) == 1
        ada.send({"type": 8, "sequenceId": 1})
        await settle()
        lose(ada)
        reconnect(ada)
        assert ada.take() == [{"type": 9, "sequenceId": 2}]


@pytest.mark.statement(176)
async def test_a_call_that_comes_again_is_not_run_again() -> None:
    async with bench(Room) as hub:
        ada = await opened(hub)
        assert await ada.result("Echo", 1) == 1
        lose(ada)
        reconnect(ada)
        again = {"type": 1, "invocationId": "1", "target": "Echo", "arguments": [1]}
        new = {"type": 1, "invocationId": "2", "target": "Echo", "arguments": [2]}
        ada.send({"type": 9, "sequenceId": 1}, again, new)
        await settle()
        assert ada.take() == [{"type": 9, "sequenceId": 1}, completion("1", 1), completion("2", 2)]


@pytest.mark.statement(177)
async def test_a_gap_ends_the_connection() -> None:
    async with bench(Room) as hub:
        ada = await opened(hub)
        ada.send({"type": 9, "sequenceId": 5})
        (close,) = await ada.ended()
        assert close == {"type": 7, "error": "Connection closed with an error.", "allowReconnect": True}


@pytest.mark.statement(179)
async def test_pings_and_acknowledgements_are_not_said_again() -> None:
    async with bench(Room, keep_alive_interval=1) as hub:
        ada = await opened(hub)
        assert await ada.result("Echo", 1) == 1
        await hub.tick(1)
        assert [message["type"] for message in ada.take()] == [6, 8]
        lose(ada)
        await hub.tick(3)
        reconnect(ada)
        assert ada.take() == [{"type": 9, "sequenceId": 1}, completion("1", 1)]


@pytest.mark.statement(180)
async def test_beyond_the_buffer_the_next_call_and_the_next_item_wait_for_an_acknowledgement() -> None:
    async with bench(Room, stateful_reconnect_buffer_size=100) as hub:
        ada = await opened(hub)
        ada.call("Big", 200)
        ada.call("Echo", "waits")
        await settle()
        assert ids(ada) == ["1"]
        ada.send({"type": 8, "sequenceId": 1})
        await settle()
        assert ada.take() == [completion("2", "waits")]
        ada.send({"type": 8, "sequenceId": 2})
        ada.stream("Count", 3, 200)
        await settle()
        for number in (3, 4):
            assert ada.take() == [item("3", "x" * 200)]
            ada.send({"type": 8, "sequenceId": number})
            await settle()
        assert ada.take() == [item("3", "x" * 200)], "its end waits, too"


async def test_who_waits_for_an_acknowledgement_goes_on_when_the_connection_ends() -> None:
    async with bench(Room, stateful_reconnect_buffer_size=100) as hub:
        ada = await opened(hub)
        connection = hub.runtime.fanout._index.connections[ada.id]
        ada.call("Big", 200)
        await settle()
        waiting = asyncio.create_task(connection.drain())
        await settle()
        assert not waiting.done()
        connection.close()
        await ada.ended()
        await waiting


async def test_a_pause_of_reading_cannot_keep_the_acknowledgement_from_who_waits_for_it() -> None:
    """The calls behind the one that waits fill the queue, so that nothing is read: also not what it waits for."""
    async with bench(Room, stateful_reconnect_buffer_size=100, maximum_waiting_invocations=2) as hub:
        ada = await opened(hub)
        for _ in range(6):
            ada.call("Big", 200)
        await settle()
        ada.send({"type": 8, "sequenceId": 1})
        await settle()
        assert len(ada.take()) == 1
        await hub.tick(6)
        assert ids(ada) == ["2", "3", "4"], "then there was room to read on, and the rest waits as it should"
        ada.send({"type": 8, "sequenceId": 4})
        await settle()
        assert ids(ada) == ["5"]


async def test_a_broadcast_waits_for_nobody_and_ends_who_lets_too_much_gather() -> None:
    async with bench(Room, stateful_reconnect_buffer_size=100) as hub:
        ada, ben = await opened(hub), await hub.connect()
        lose(ada)
        for _ in range(16):
            await hub.runtime.fanout.send(All(), SerializedMessage(Invocation(target="News", arguments=("x" * 100,))))
        assert ada.transport.lost
        assert not ben.transport.lost
        assert len(ben.take()) == 16


async def test_the_statistics_tell_how_much_is_not_acknowledged() -> None:
    async with bench(Room) as hub:
        ada, _ = await opened(hub), await hub.connect()
        assert hub.runtime.statistics()["unacknowledged_bytes"] == 0
        await hub.runtime.fanout.send(All(), SerializedMessage(Invocation(target="News", arguments=(1,))))
        (kept,) = ada.transport.written
        assert hub.runtime.statistics()["unacknowledged_bytes"] == len(kept)
        ada.send({"type": 8, "sequenceId": 1})
        await settle()
        assert hub.runtime.statistics()["unacknowledged_bytes"] == 0


async def test_a_message_that_is_too_large_is_not_kept() -> None:
    async with bench(Room, maximum_send_message_size=1000) as hub:
        ada = await opened(hub)
        connection = hub.runtime.fanout._index.connections[ada.id]
        with pytest.raises(SendTooLarge):
            connection.send(Invocation(target="News", arguments=("x" * 1000,)))
        lose(ada)
        reconnect(ada)
        assert ada.take() == [{"type": 9, "sequenceId": 1}]


@pytest.mark.statement(184)
async def test_ready_made_messages_are_counted_and_said_again() -> None:
    """What a backplane hands on comes in already encoded, by the same gate."""
    async with bench(Room) as hub:
        ada = await opened(hub)
        hub.runtime.fanout._put(All(), SerializedMessage(Invocation(target="News", arguments=(1,))))
        lose(ada)
        hub.runtime.fanout._put(All(), SerializedMessage(Invocation(target="News", arguments=(2,))))
        reconnect(ada)
        assert ada.take() == [{"type": 9, "sequenceId": 1}, called("News", 1), called("News", 2)]


@pytest.mark.statement(172)
async def test_groups_and_the_connection_id_outlive_the_socket() -> None:
    async with bench(Room) as hub:
        ada = await opened(hub)
        assert await ada.result("Join", "g") is None
        lose(ada)
        await hub.tick(3)
        reconnect(ada)
        ada.take()
        counts = hub.runtime.fanout.statistics()
        assert (counts["connections"], counts["groups"]) == (1, 1)
        assert Room.ended == []


async def test_the_clients_silence_does_not_count_while_it_has_no_socket() -> None:
    async with bench(Room, client_timeout=5) as hub:
        ada = await opened(hub)
        ada.send({"type": 6})
        await hub.tick(3)
        lose(ada)
        await hub.tick(20)
        assert not ada.task.done()
        reconnect(ada)
        await hub.tick(6)
        assert (await ada.ended())[-1]["type"] == 7


@pytest.mark.statement(183)
@pytest.mark.parametrize("how", ["abort", "close of the client", "close of the server"])
async def test_what_ends_the_connection_ends_reading_and_with_it_the_reconnects(how: str) -> None:
    async with bench(Room) as hub:
        ada = await opened(hub)
        if how == "abort":
            ada.call("Abort")
        elif how == "close of the client":
            ada.send({"type": 7})
        else:
            hub.runtime.fanout._index.connections[ada.id].close(allow_reconnect=True)
        assert (await ada.ended())[-1]["type"] == 7
        assert Room.ended == [ada.id]


async def test_draining_ends_who_has_no_socket_in_order() -> None:
    async with bench(Room) as hub:
        ada = await opened(hub)
        lose(ada)
        hub.runtime.fanout._index.connections[ada.id].close(allow_reconnect=True)
        await ada.ended()
        assert Room.ended == [ada.id]
        hub.assert_nothing_left()


async def test_what_is_counted_is_never_replaced() -> None:
    """The client counts what comes, so the newest of a key comes behind the others, not instead of them."""
    async with bench(Room) as hub:
        ada = await opened(hub)
        lose(ada)
        for number in range(3):
            call = Invocation(target="News", arguments=(number,))
            await hub.runtime.fanout.send(All(), SerializedMessage(call, key="news"))
        reconnect(ada)
        assert [type(packet) for packet in ada.transport.written] == [bytes] * 4
        assert ada.take() == [{"type": 9, "sequenceId": 1}, *[called("News", number) for number in range(3)]]
