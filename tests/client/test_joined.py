"""Rooms over lost connections, on a scripted server with a manual clock."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from hubline import ConnectionClosed, InvocationError
from hubline.client import HubConnection, JoinedRoom, RoomGap, RoomMember, RoomMessage, RoomPresence, RoomSignal
from hubline.testing import ManualClock, settle
from hubline.wire.messages import Completion
from tests.client.scripted import Script, clock, script, started

fixtures = (clock, script)
ADA = {"key": "u:ada", "user": "ada", "agent": False, "state": None, "devices": [{"id": "x"}]}
BOB = {**ADA, "key": "u:bob", "user": "bob"}


def message(number: int, epoch: str = "e") -> dict[str, Any]:
    return {"position": f"{epoch}-{number}", "at": "2026-11-29T08:00:00.000Z", "by": "ada", "key": None, "data": number}


def joined(*numbers: int, end: int | None = None, complete: bool = True, epoch: str = "e", **more: Any) -> Any:
    end = (numbers[-1] if numbers else 0) if end is None else end
    messages = [message(number, epoch) for number in numbers]
    return {"position": f"{epoch}-{end}", "complete": complete, "messages": messages, "members": [], **more}


def asked(script: Script) -> dict[str, Any]:
    """The newest call of the client."""
    return script.peer.heard(1)[-1]


def tell(script: Script, *numbers: int, epoch: str = "e") -> None:
    for number in numbers:
        script.peer.call("RoomMessage", "r", message(number, epoch))


def change(script: Script, kind: str, member: dict[str, Any], number: int) -> None:
    script.peer.call("RoomPresence", "r", {"kind": kind, "member": member, "number": number})


async def answer(script: Script, target: str, result: Any) -> list[Any]:
    """Answer the newest call, which is of this method; its arguments."""
    await settle()
    call = asked(script)
    assert call["target"] == target
    script.peer.answer(call["invocationId"], result)
    await settle()
    arguments: list[Any] = call["arguments"]
    return arguments


async def cut(script: Script, clock: ManualClock) -> None:
    script.peer.hang_up()
    await settle()
    await clock.advance(0.0)
    await settle()


@asynccontextmanager
async def room_of(script: Script, hub: HubConnection, found: Any = None, **options: Any) -> AsyncIterator[JoinedRoom]:
    """A room without presence, joined."""
    room = hub.join_room("r", **{"presence": False, **options})
    entering = asyncio.create_task(room.__aenter__())
    await answer(script, "JoinRoom", found or joined())
    await entering
    try:
        yield room
    finally:
        if room.live:
            leaving = asyncio.create_task(room.leave())
            await answer(script, "LeaveRoom", None)
            await leaving
        await hub.stop()


async def said(room: JoinedRoom, count: int) -> list[Any]:
    """The next events: data of messages, and positions of gaps."""
    found = []
    for _ in range(count):
        event = await anext(room)
        assert isinstance(event, RoomMessage | RoomGap)
        found.append(event.data if isinstance(event, RoomMessage) else event.position)
    return found


async def test_messages_go_on_behind_the_last_one_over_a_lost_connection(script: Script, clock: ManualClock) -> None:
    hub = await started(clock)
    async with room_of(script, hub, joined(1, 2), device="bot") as room:
        assert asked(script)["arguments"] == ["r", None, {"device": "bot", "visible": True, "presence": False}]
        tell(script, 2, 3)
        script.peer.call("RoomMessage", "another", message(9))
        assert (await said(room, 3), room.position) == ([1, 2, 3], "e-3")
        await cut(script, clock)
        assert not room.live
        tell(script, 6)  # before the answer, with which it comes too
        await settle()
        tell(script, 5)
        assert (await answer(script, "JoinRoom", joined(4, 5, 6)))[1] == "e-3"
        tell(script, 7)
        assert (await said(room, 4), room.live, room.name) == ([4, 5, 6, 7], True, "r")
    assert [event async for event in room] == [], "it was left"


async def test_gaps_are_told_in_their_place(script: Script, clock: ManualClock) -> None:
    hub = await started(clock)
    async with room_of(script, hub, joined(7, 8, complete=False), since="e-2") as room:
        assert await said(room, 3) == ["e-6", 7, 8]
        tell(script, 10)  # the server has dropped one
        assert (await answer(script, "JoinRoom", joined(9, 10)))[1] == "e-8"
        script.peer.call("RoomGap", "r", {"position": "e-9"})
        script.peer.call("RoomGap", "r", {"position": "f-4"})
        tell(script, 5, epoch="f")
        assert await said(room, 4) == [9, 10, "f-4", 5]
        await cut(script, clock)
        await answer(script, "JoinRoom", joined(end=2, complete=False, epoch="g"))
        assert await said(room, 1) == ["g-2"]


async def test_members_and_signals(script: Script, clock: ManualClock) -> None:
    hub = await started(clock)
    async with room_of(script, hub, joined(members=[ADA]), presence=True) as room:
        first = await anext(room)
        assert isinstance(first, RoomPresence)
        assert (first.kind, [each.user for each in first.members]) == ("members", ["ada"])
        script.peer.call("RoomPresence", "r", {"kind": "enter", "member": BOB})
        script.peer.call("RoomPresence", "r", {"kind": "leave", "member": ADA})
        script.peer.call("RoomSignal", "r", {"kind": "typing", "value": 1, "by": "bob", "connectionId": "c"})
        events = [await anext(room) for _ in range(3)]
        assert [each.kind for each in events if isinstance(each, RoomPresence)] == ["enter", "leave"]
        assert events[-1] == RoomSignal(kind="typing", value=1, by="bob", connection_id="c")
        assert room.members == (RoomMember(key="u:bob", user="bob", devices=first.members[0].devices),)


async def test_changes_of_members_that_a_later_join_includes_are_not_told(script: Script, clock: ManualClock) -> None:
    hub = await started(clock)
    async with room_of(script, hub, joined(1, members=[ADA], changes=3), presence=True) as room:
        assert [await anext(room), await anext(room)][1] == RoomPresence("members", None, room.members)
        tell(script, 3)  # the server has dropped one: the room is joined again, over the same connection
        await settle()
        change(script, "leave", ADA, 4)  # sent before the server has handled that
        change(script, "enter", BOB, 6)  # sent after it, before the answer
        await answer(script, "JoinRoom", joined(2, 3, members=[ADA], changes=5))
        change(script, "leave", ADA, 5)  # held up on the server, for example by a filter
        change(script, "leave", BOB, 7)
        events = [await anext(room) for _ in range(5)]
        shown = [(each.kind, [m.user for m in each.members]) for each in events if isinstance(each, RoomPresence)]
        assert shown == [("members", ["ada"]), ("enter", ["ada", "bob"]), ("leave", ["ada"])]


async def test_changes_of_members_by_a_server_that_does_not_number_them(script: Script, clock: ManualClock) -> None:
    hub = await started(clock)
    async with room_of(script, hub, joined(members=[ADA], changes=3), presence=True) as room:
        await cut(script, clock)
        await answer(script, "JoinRoom", joined(members=[ADA]))
        script.peer.call("RoomPresence", "r", {"kind": "enter", "member": BOB})
        script.peer.call("RoomPresence", "r", {"kind": "leave", "member": ADA})
        kinds = [each.kind for each in [await anext(room) for _ in range(4)] if isinstance(each, RoomPresence)]
        assert (kinds, [each.user for each in room.members]) == (["members", "members", "enter", "leave"], ["bob"])


async def test_calls_for_a_room(script: Script, clock: ManualClock) -> None:
    hub = await started(clock)
    async with room_of(script, hub) as room:
        sending = asyncio.create_task(room.send("tea?"))
        await settle()
        _, _, key = asked(script)["arguments"]
        await cut(script, clock)
        again = script.peer.heard(1)
        assert sorted(each["target"] for each in again) == ["JoinRoom", "SendToRoom"]
        await room.signal("typing")  # is dropped: the room is not joined
        await room.set_state(1)
        for call in again:
            is_join = call["target"] == "JoinRoom"
            script.peer.answer(call["invocationId"], joined() if is_join else "e-1")
            assert is_join or call["arguments"] == ["r", "tea?", key]
        assert await sending == "e-1"
        await settle()
        for calling, target, arguments in (
            (room.signal("typing", 2), "SignalRoom", ["r", "typing", 2]),
            (room.set_state(3), "SetRoomState", ["r", 3]),
        ):
            task = asyncio.create_task(calling)
            assert await answer(script, target, None) == arguments
            await task
        reading = asyncio.create_task(room.history("e-9", 2))
        assert await answer(script, "RoomHistory", {"messages": [message(1)], "more": True}) == ["r", "e-9", 2]
        page = await reading
        assert ([each.data for each in page.messages], page.more) == ([1], True)
        await cut(script, clock)
        assert (await answer(script, "JoinRoom", joined()))[2]["state"] == 3


async def test_who_reads_slowly_gets_from_the_history_what_did_not_fit(script: Script, clock: ManualClock) -> None:
    hub = await started(clock, buffer=2)
    async with room_of(script, hub) as room:
        tell(script, *range(1, 8))
        await settle()
        assert await said(room, 2) == [1, 2]
        reading = asyncio.create_task(said(room, 5))
        await settle()
        found = asked(script)
        last = int(found["arguments"][1].removeprefix("e-"))
        assert (found["target"], last < 7) == ("JoinRoom", True)
        await answer(script, "JoinRoom", joined(*range(last + 1, 8)))
        assert await reading == [3, 4, 5, 6, 7]


async def test_errors_of_the_server(script: Script, clock: ManualClock) -> None:
    hub = await started(clock)
    entering = asyncio.create_task(hub.join_room("r").__aenter__())
    await settle()
    script.peer.say(Completion(invocation_id="0", error="HubException: The room cannot be reached at present."))
    await settle()
    await clock.advance(1.0)
    await settle()
    script.peer.say(Completion(invocation_id="1", error="HubException: The room does not exist."))
    with pytest.raises(InvocationError, match="does not exist"):
        await entering
    async with room_of(script, hub) as room:
        script.peer.call("RoomClosed", "r")
        with pytest.raises(InvocationError, match="does not exist"):
            await anext(room)
        with pytest.raises(RuntimeError, match="joined before"):
            await room.__aenter__()


async def test_a_connection_that_is_over(script: Script, clock: ManualClock) -> None:
    hub = await started(clock, retry=None)
    async with room_of(script, hub) as room:
        tell(script, 1)
        await settle()
        script.peer.hang_up()
        assert await said(room, 1) == [1], "what has come is read"
        with pytest.raises(ConnectionClosed, match="the socket broke"):
            await anext(room)


async def test_a_room_is_left_with_its_last_user(script: Script, clock: ManualClock) -> None:
    hub = await started(clock)
    async with room_of(script, hub) as room:
        other = hub.join_room("r", presence=False)
        entering = asyncio.create_task(other.__aenter__())
        await answer(script, "JoinRoom", joined())
        await entering
        tell(script, 1)
        assert (await said(room, 1), await said(other, 1)) == ([1], [1])
        await other.leave()
        assert asked(script)["target"] == "JoinRoom", "the room has another user"
