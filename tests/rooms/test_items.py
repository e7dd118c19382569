"""What rooms send has the types that contracts say."""

from typing import Any, get_type_hints

import msgspec

from hubline.rooms import Rooms, RoomsHub
from hubline.rooms.following import CLOSED, GAP, MESSAGE, PRESENCE, SIGNAL
from hubline.rooms.items import RoomCalls
from hubline.runs import Caller
from hubline.testing import InMemoryClient, connect, running
from hubline.wire.names import pascal_case
from tests.rooms.chat import chat_with


def as_declared(value: Any, kind: Any) -> Any:
    """It has exactly the keys of the type, and values that fit."""
    assert msgspec.convert(value, kind) == value
    return value


async def result(client: InMemoryClient, method: str, *arguments: Any) -> Any:
    kind = get_type_hints(getattr(RoomsHub, method))["return"]
    return as_declared(await client.invoke(pascal_case(method), *arguments), kind)


async def call(client: InMemoryClient, method: str) -> Any:
    """The next call of this name, without the name of the room."""
    hints = get_type_hints(getattr(RoomCalls, method))
    assert hints.pop("return") is type(None)
    arguments = await client.expect(pascal_case(method))
    for value, kind in zip(arguments, hints.values(), strict=True):
        as_declared(value, kind)
    return arguments[1:]


async def test_results_and_calls_are_what_the_contract_says() -> None:
    rights = {"bob", None}

    async def may(action: str, room: str, caller: Caller) -> bool:
        return caller.user_id in rights

    app = chat_with(rooms := Rooms(may))
    async with running(app), connect(app, "/chat", query={"user": "bob"}) as bob:
        await result(bob, "join_room", "r")
        async with connect(app, "/chat", protocol="messagepack") as stranger:
            position = await result(stranger, "send_to_room", "r", {"text": "tea?"}, "key")
            joined = await result(stranger, "join_room", "r", None, {"device": "phone", "state": {"busy": True}})
            assert [each["position"] for each in joined["messages"]] == [position]
            assert joined["count"] == len(joined["members"]) == 2
            [change] = await call(bob, "room_presence")
            assert (change["kind"], change["member"]["devices"][0]["name"]) == ("enter", "phone")
            assert (await result(stranger, "room_members", "r"))["count"] == 2
            assert len((await result(stranger, "room_history", "r"))["messages"]) == 1
            await stranger.invoke("SignalRoom", "r", "typing", 1)
            [signal] = await call(bob, "room_signal")
            assert signal["connectionId"] in [device["id"] for each in joined["members"] for device in each["devices"]]
        async with rooms.agent("r", "assistant") as agent:
            await agent.send("hello")
        [first], [second] = await call(bob, "room_message"), await call(bob, "room_message")
        assert (first["key"], second["by"]) == ("key", "assistant")
        rights.remove("bob")
        await rooms.recheck("bob")
        assert await call(bob, "room_closed") == []


def test_what_may_be_called_is_declared() -> None:
    declared = {pascal_case(name) for name in vars(RoomCalls) if not name.startswith("_")}
    assert declared == {MESSAGE, PRESENCE, SIGNAL, GAP, CLOSED}
