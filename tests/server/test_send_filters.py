"""Filters around what a hub says to clients: what they see, change, hold back, and where they stand."""

import asyncio
from typing import Any

import pytest

from hubline import (
    All,
    Client,
    Connections,
    Groups,
    Hub,
    HubError,
    HubFilter,
    InvocationError,
    OutgoingMessage,
    Users,
    filtered,
)
from hubline.server.clients import HubClients
from hubline.server.recipients import Recipients
from hubline.testing import settle
from hubline.wire.messages import Ping
from hubline.wire.packet import SerializedMessage
from tests.server.bench import Bench, bench, called, completion


class Room(Hub[Client]):
    async def join(self, group: str) -> None:
        await self.groups.add(self.context.connection_id, group)

    async def tell(self, text: str) -> None:
        await self.clients.caller.send("Told", text)


class Noting(HubFilter):
    def __init__(self, name: str = "") -> None:
        self.name, self.seen = name, list[tuple[Any, ...]]()

    async def send(self, message: OutgoingMessage, next: Any) -> None:
        seen = message.hub.rpartition(".")[2], message.recipients, message.target, message.arguments
        self.seen.append((*seen, message.key, message.awaits_result))
        message.arguments = (*message.arguments, self.name)
        await next(message)


class Changing(HubFilter):
    def __init__(self, change: Any) -> None:
        self.change = change

    async def send(self, message: OutgoingMessage, next: Any) -> None:
        if self.change(message) is not False:
            await next(message)


def outside(hub: Bench) -> HubClients[Client]:
    return HubClients(hub.runtime.fanout, hub.runtime.interface)


@pytest.mark.parametrize(
    ("select", "recipients"),
    [
        (lambda clients: clients.all, All()),
        (lambda clients: clients.client("c1"), Connections(("c1",))),
        (lambda clients: clients.group("g"), Groups(("g",))),
        (lambda clients: clients.user("ada"), Users(("ada",))),
    ],
)
async def test_a_filter_sees_every_call_to_clients(select: Any, recipients: Recipients) -> None:
    noting = Noting("!")
    async with bench(Room, filters=[noting]) as hub:
        ada = await hub.connect("ada")
        await ada.result("Join", "g")
        await select(outside(hub)).send("Told", 1)
        await select(outside(hub).latest("k")).send("Told", 2)
        assert noting.seen == [("Room", recipients, "Told", (n,), key, False) for n, key in [(1, None), (2, "k")]]
        assert ada.take() == [called("Told", 1, "!"), called("Told", 2, "!")]


async def test_a_filter_sees_what_hub_methods_send_and_the_first_is_outermost() -> None:
    one, two, three = Noting("one"), Noting("two"), Noting("three")

    @filtered(two, three)
    class Marked(Room):
        pass

    async with bench(Marked, filters=[one]) as hub:
        ada = await hub.connect()
        ada.call("Tell", "hi")
        await settle()
        assert ada.take()[0] == called("Told", "hi", "one", "two", "three")


async def test_what_a_filter_changes_is_what_clients_get() -> None:
    def change(message: OutgoingMessage) -> None:
        message.recipients, message.target, message.key = Connections(("c2",)), "Other", "k"

    async with bench(Room, filters=[Changing(change)]) as hub:
        ada, bob = await hub.connect(), await hub.connect()
        await outside(hub).client(ada.id).send("Told", 1)
        assert ada.take() == []
        (packet,) = bob.transport.written
        assert getattr(packet, "key", None) == "k"
        assert bob.take() == [called("Other", 1)]


async def test_what_a_filter_holds_back_is_not_sent_and_holds_nobody_up() -> None:
    async with bench(Room, filters=[Changing(lambda message: False)]) as hub:
        ada = await hub.connect()
        turns: list[str] = []
        asyncio.get_running_loop().call_soon(turns.append, "a turn")
        for _ in range(64):
            await outside(hub).all.send("Told")
        assert ada.take() == []
        assert turns == ["a turn"]


async def test_what_a_filter_raises_reaches_the_sender() -> None:
    def refuse(message: OutgoingMessage) -> None:
        raise HubError("too much")

    async with bench(Room, filters=[Changing(refuse)]) as hub:
        ada = await hub.connect()
        with pytest.raises(HubError, match="too much"):
            await outside(hub).all.send("Told")
        text = "error: An unexpected error occurred invoking 'Tell' on the server. HubException: too much"
        assert await ada.result("Tell", "hi") == text


async def test_questions_come_through_filters_too_and_one_that_is_held_back_fails() -> None:
    noting = Noting("!")
    async with bench(Room, filters=[noting]) as hub:
        ada = await hub.connect()
        asking = asyncio.create_task(outside(hub).client(ada.id).invoke("Double", 21))
        await settle()
        assert noting.seen == [("Room", Connections((ada.id,)), "Double", (21,), None, True)]
        assert ada.take()[0]["arguments"] == [21, "!"]
        ada.send(completion("s1", 42))
        assert await asking == 42
    async with bench(Room, filters=[Changing(lambda message: False)]) as hub:
        ada = await hub.connect()
        with pytest.raises(InvocationError, match="a filter held the call back"):
            await outside(hub).client(ada.id).invoke("Double", 21)
        assert ada.take() == []
        assert hub.runtime.fanout.statistics()["awaited_results"] == 0


async def test_bytes_that_were_made_elsewhere_pass_filters_unseen() -> None:
    noting = Noting()
    async with bench(Room, filters=[noting]) as hub:
        ada = await hub.connect()
        await hub.runtime.fanout.send(All(), SerializedMessage(None, packets={"json": b'{"type":6}\x1e'}))
        await hub.runtime.fanout.send(All(), SerializedMessage(Ping()))
        assert ada.take() == [{"type": 6}] * 2
        assert noting.seen == []


async def test_a_filter_without_send_costs_a_send_nothing() -> None:
    async with bench(Room, filters=[HubFilter()]) as hub:
        assert hub.runtime.fanout._filters is None


async def test_a_filter_moves_in_the_time_of_the_application() -> None:
    times: list[float] = []
    async with bench(Room, filters=[Changing(lambda message: times.append(message.clock.now()))]) as hub:
        for _ in range(2):
            await outside(hub).all.send("Told")
            await hub.clock.advance(3)
    assert times[1] - times[0] == 3
