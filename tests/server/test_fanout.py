"""Sending to recipients, from inside and outside of hubs, and asking clients."""

import asyncio
from typing import Any

import pytest

from hubline import Client, Hub, HubError
from hubline.errors import ConnectionClosed, SendTooLarge
from hubline.server.clients import HubClients
from hubline.server.recipients import All, Connections, Groups
from hubline.testing import settle
from hubline.wire.messages import Invocation
from hubline.wire.packet import SerializedMessage
from tests.server.bench import Bench, Line, bench, called, completion


class Room(Hub[Client]):
    async def join(self, name: str) -> None:
        await self.groups.add(self.context.connection_id, name)

    async def leave(self, name: str) -> None:
        await self.groups.remove(self.context.connection_id, name)

    async def tell(self, whom: str, names: list[str]) -> None:
        clients = self.clients
        chosen = {
            "all": lambda: clients.all,
            "others": lambda: clients.others,
            "caller": lambda: clients.caller,
            "all_except": lambda: clients.all_except(names),
            "client": lambda: clients.client(names[0]),
            "clients": lambda: clients.clients(names),
            "group": lambda: clients.group(names[0]),
            "groups": lambda: clients.groups(names),
            "group_except": lambda: clients.group_except(names[0], names[1:]),
            "others_in_group": lambda: clients.others_in_group(names[0]),
            "user": lambda: clients.user(names[0]),
            "users": lambda: clients.users(names),
        }[whom]()
        await chosen.send("M", whom)


@pytest.mark.statement(150, 151, 152, 153, 154)
@pytest.mark.parametrize(
    ("whom", "names", "reached"),
    [
        ("all", [], "abcd"),
        ("others", [], "bcd"),
        ("caller", [], "a"),
        ("all_except", ["c2", "c3"], "ad"),
        ("client", ["c3"], "c"),
        ("client", ["nobody"], ""),
        ("clients", ["c2", "c2", "c4", "nobody"], "bd"),
        ("group", ["g"], "ab"),
        ("group", ["G"], ""),
        ("groups", ["g", "h"], "abbc"),
        ("group_except", ["g", "c1"], "b"),
        ("others_in_group", ["g"], "b"),
        ("user", ["ada"], "ab"),
        ("user", ["Ada"], ""),
        ("users", ["bob", "ada", "nobody"], "abc"),
    ],
)
async def test_selectors_reach_whom_they_name_in_both_codecs(whom: str, names: list[str], reached: str) -> None:
    async with bench(Room) as hub:
        lines = {
            "a": await hub.connect("ada"),
            "b": await hub.connect("ada", codec="messagepack"),
            "c": await hub.connect("bob"),
            "d": await hub.connect(codec="messagepack"),
        }
        for name, group in [("a", "g"), ("b", "g"), ("b", "h"), ("c", "h")]:
            await lines[name].result("Join", group)
        lines["a"].call("Tell", whom, names)
        await settle()
        received = {name: [m for m in line.take() if _is_call(m)] for name, line in lines.items()}
        assert "".join(name * len(messages) for name, messages in received.items()) == reached
        for messages in received.values():
            assert all(m in (called("M", whom), [1, {}, None, "M", [whom], []]) for m in messages)


def _is_call(message: Any) -> bool:
    return bool((message["type"] if isinstance(message, dict) else message[0]) == 1)


@pytest.mark.parametrize("codec", ["json", "messagepack"])
@pytest.mark.parametrize("names", [["g", ""], [""], ["", ""]], ids=str)
async def test_an_empty_name_in_a_list_of_groups_fails_the_call(names: list[str], codec: str) -> None:
    """Asked from ASP.NET Core 10: `Groups([""])` as `Groups(["a", ""])`. `Group("")` is a group like others."""
    async with bench(Room) as hub:
        ada = await hub.connect(codec=codec)
        text = "error: An unexpected error occurred invoking 'Tell' on the server."
        assert await ada.result("Tell", "groups", names) == f"{text} HubException: Cannot send to an empty group name."
        assert await ada.result("Tell", "groups", []) is None
        assert await ada.result("Tell", "group", [""]) is None


@pytest.mark.statement(149, 155)
async def test_membership_ends_by_leaving_or_with_the_connection() -> None:
    async with bench(Room) as hub:
        ada, bob = await hub.connect(), await hub.connect()
        for line in (ada, bob):
            await line.result("Join", "g")
            await line.result("Join", "g")
        await bob.result("Leave", "g")
        await bob.result("Leave", "g")
        await ada.result("Tell", "others_in_group", ["g"])
        assert bob.take() == []
        await bob.result("Join", "g")
        bob.send({"type": 7})
        await bob.ended()
        assert hub.runtime.fanout.statistics() == {
            **{"connections": 1, "groups": 1, "users": 0},
            **{"awaited_results": 0, "unacknowledged_bytes": 0},
        }


def outside(hub: Bench) -> HubClients[Client]:
    return HubClients(hub.runtime.fanout, hub.runtime.interface)


@pytest.mark.statement(165)
async def test_sending_managing_groups_and_asking_from_outside() -> None:
    async with bench(Room) as hub:
        ada = await hub.connect("ada")
        clients, groups = outside(hub), hub.runtime.fanout.groups
        await groups.add(ada.id, "g")
        await groups.add("nobody", "g")
        await clients.group("g").send("Hello", 1)
        await groups.remove(ada.id, "g")
        await clients.group("g").send("Hello", 2)
        assert ada.take() == [called("Hello", 1)]
        asking = asyncio.create_task(clients.client(ada.id).invoke("Double", 21, result_type=int))
        await settle()
        (asked,) = ada.take()
        assert asked == {"type": 1, "invocationId": "s1", "target": "Double", "arguments": [21]}
        ada.send(completion("s1", 42))
        assert await asking == 42


async def test_a_message_is_encoded_once_for_each_codec(monkeypatch: pytest.MonkeyPatch) -> None:
    async with bench(Room) as hub:
        lines = [await hub.connect(codec=codec) for codec in ("json", "messagepack", "json", "messagepack", "json")]
        packets: list[Any] = []
        for connection in hub.runtime.fanout._index.connections.values():
            monkeypatch.setattr(connection, "broadcast", packets.append)
        await outside(hub).all.send("Hello")
        assert len(packets) == len(lines)
        assert len({id(packet) for packet in packets}) == 2


async def test_a_send_to_one_waits_for_it_and_a_send_to_many_for_nobody() -> None:
    async with bench(Room) as hub:
        ada, bob = await hub.connect(), await hub.connect()
        ada.transport.room.clear()
        await outside(hub).all.send("Hello")
        await outside(hub).clients([ada.id, bob.id]).send("Hello")
        waiting = asyncio.create_task(outside(hub).client(ada.id).send("Hello"))
        await settle()
        assert not waiting.done()
        assert len(ada.take()) == 3
        ada.transport.room.set()
        await waiting


async def test_what_cannot_be_encoded_is_an_error_of_the_sender_and_closes_nobody() -> None:
    async with bench(Room) as hub:
        ada, bob = await hub.connect(), await hub.connect(codec="messagepack")
        await outside(hub).group("g").send("Nobody", object())  # nobody to encode it for
        for clients in (outside(hub).all, outside(hub).client(ada.id), outside(hub).client(bob.id)):
            with pytest.raises(TypeError):
                await clients.send("Hello", object())
        with pytest.raises(OverflowError):
            await outside(hub).client(bob.id).send("Hello", 2**70)
        assert ada.take() == bob.take() == []
        assert not ada.task.done()
        assert not bob.task.done()


async def test_a_question_that_nobody_waits_for_any_more_leaves_nothing() -> None:
    async with bench(Room) as hub:
        ada = await hub.connect()
        asking = asyncio.create_task(outside(hub).client(ada.id).invoke("Double", 21))
        await settle()
        asking.cancel()
        await asyncio.wait([asking])
        assert hub.runtime.fanout.statistics()["awaited_results"] == 0
        assert len(ada.take()) == 1
        ada.send(completion("s1", 42))
        assert await ada.result("Leave", "g") is None


async def test_a_question_to_a_connection_that_is_ending() -> None:
    errors: list[Exception] = []

    class Ending(Hub):
        async def on_disconnected(self, error: Exception | None) -> None:
            try:
                await self.clients.caller.invoke("What")
            except Exception as error:
                errors.append(error)

    async with bench(Ending) as hub:
        ada = await hub.connect()
        ada.send({"type": 7})
        await ada.ended()
    assert [(type(error), str(error)) for error in errors] == [
        (ConnectionClosed, "Connection 'c1' disconnected."),
    ]


async def test_a_question_fails_while_its_connection_is_still_in_on_disconnected() -> None:
    held = asyncio.Event()

    class Slow(Hub):
        async def on_disconnected(self, error: Exception | None) -> None:
            await held.wait()

    async with bench(Slow) as hub:
        ada = await hub.connect()
        asking = asyncio.create_task(outside(hub).client(ada.id).invoke("Double", 21))
        await settle()
        ada.lose()
        await settle()
        with pytest.raises(ConnectionClosed, match="Connection 'c1' disconnected"):
            await asking
        held.set()


async def test_the_time_limit_of_a_question_is_kept_by_the_clock() -> None:
    async with bench(Room, client_result_timeout=5) as hub:
        ada: Line = await hub.connect()
        default = asyncio.create_task(outside(hub).client(ada.id).invoke("A"))
        longer = asyncio.create_task(outside(hub).client(ada.id).invoke("B", timeout=7))
        await hub.tick(5)
        assert default.done()
        assert not longer.done()
        await hub.tick(2)
        for task in (default, longer):
            with pytest.raises(HubError, match=r"^Invocation canceled by the server\.$"):
                await task


async def test_recipients_can_be_sent_to_directly() -> None:
    async with bench(Room) as hub:
        ada = await hub.connect()
        for recipients in (All(), Connections((ada.id,)), Connections(()), Groups(("g",))):
            await hub.runtime.fanout.send(recipients, SerializedMessage(Invocation(target="T", arguments=())))
        assert ada.take() == [called("T"), called("T")]


# Bursts and large messages


async def test_a_send_to_many_lets_somebody_who_was_not_offered_what_waits_have_a_turn() -> None:
    async with bench(Room) as hub:
        ada, bob = await hub.connect(), await hub.connect()
        turns: list[str] = []
        bob.transport.room.clear()
        for unoffered, expected in [(False, []), (True, ["a turn"])]:
            bob.transport.unoffered = unoffered
            asyncio.get_running_loop().call_soon(turns.append, "a turn")
            await outside(hub).all.send("M")
            assert turns == expected
            await settle()
            turns.clear()
        assert len(ada.take()) == len(bob.take()) == 2


async def test_not_everybody_who_does_not_read_is_asked_each_time() -> None:
    async with bench(Room) as hub:
        lines = [await hub.connect() for _ in range(10)]
        for each in lines[:9]:
            each.transport.room.clear()
        turns: list[str] = []
        for unoffered, expected in [(8, []), (7, ["a turn"])]:
            for number, each in enumerate(lines):
                each.transport.unoffered = number == unoffered
            asyncio.get_running_loop().call_soon(turns.append, "a turn")
            await outside(hub).all.send("M")
            assert turns == expected
            await settle()
            turns.clear()


async def test_a_message_that_is_too_large_in_one_codec_is_sent_to_nobody() -> None:
    async with bench(Room, maximum_send_message_size=150_000) as hub:
        ada, bob = await hub.connect(codec="messagepack"), await hub.connect()
        assert ada.transport.maximum_message == 150_000
        with pytest.raises(SendTooLarge, match="are too much for one message"):
            await outside(hub).all.send("M", b"x" * 140_000)
        await settle()
        assert (ada.take(), bob.take()) == ([], [])
        await outside(hub).all.send("M", b"x" * 100_000)
        await settle()
        assert len(ada.take()) == len(bob.take()) == 1
