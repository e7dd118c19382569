"""What crosses in a client: cancelled handlers and uploads, starts and stops, rooms that are left while joined."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from hubline import ConnectionClosed, InvocationError
from hubline.client import ConnectionState, HubConnection
from hubline.testing import ManualClock, settle
from hubline.wire.messages import Completion
from tests.client.scripted import URL, Script, clock, script, started
from tests.client.test_joined import ADA, BOB, answer, asked, change, cut, joined, room_of, said

fixtures = (clock, script)


async def test_a_handler_that_waits_for_something_cancelled_does_not_end_the_others(
    script: Script, clock: ManualClock
) -> None:
    hub, heard = await started(clock), list[int]()
    never = asyncio.get_running_loop().create_future()
    never.cancel()

    async def handler(number: int) -> None:
        if number == 1:
            await never
        heard.append(number)

    hub.on("Tell", handler)
    for number in (1, 2):
        script.peer.call("Tell", number)
    await settle()
    assert heard == [2]
    script.peer.call("Tell", 1, id="7")
    await settle()
    assert [each["invocationId"] for each in script.peer.heard(3) if "error" in each] == ["7"]
    await hub.stop()


async def test_an_upload_whose_source_was_cancelled_ends_with_an_error(script: Script, clock: ManualClock) -> None:
    hub = await started(clock)

    async def source() -> AsyncIterator[int]:
        yield 1
        raise asyncio.CancelledError

    call = asyncio.create_task(hub.invoke("Take", source()))
    await settle()
    (ended,) = script.peer.heard(3)
    assert ended["error"] == "CancelledError"
    script.peer.say(Completion(invocation_id=asked(script)["invocationId"], error="no"))
    with pytest.raises(InvocationError):
        await call
    await hub.stop()


class Closing:
    """The requests of an HTTP library that takes its time to close."""

    def __init__(self, script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached, self.open = asyncio.Event(), asyncio.Event()
        monkeypatch.setattr(script, "close", self._close)

    async def _close(self) -> None:
        self.reached.set()
        await self.open.wait()


async def lost_for_good(script: Script, clock: ManualClock) -> HubConnection:
    hub = await started(clock, retry=None)
    script.peer.hang_up()
    await hub.closed()
    return hub


async def test_of_two_starts_at_once_one_is_refused(
    script: Script, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub, closing = await lost_for_good(script, clock), Closing(script, monkeypatch)
    first = asyncio.create_task(hub.start())
    await closing.reached.wait()
    second = asyncio.create_task(hub.start())
    await settle()
    closing.open.set()
    with pytest.raises(RuntimeError, match="connecting"):
        await second
    await first
    assert len(script.peers) == 2
    await hub.stop()


async def test_a_stop_while_a_start_frees_what_was_left_ends_the_start(
    script: Script, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub, closing = await lost_for_good(script, clock), Closing(script, monkeypatch)
    starting = asyncio.create_task(hub.start())
    await closing.reached.wait()
    stopping = asyncio.create_task(hub.stop())
    await settle()
    closing.open.set()
    await stopping
    with pytest.raises(ConnectionClosed, match="stopped"):
        await starting
    assert (hub.state, len(script.peers)) == (ConnectionState.DISCONNECTED, 1)


async def test_a_start_that_was_stopped_does_not_end_the_next_one(
    script: Script, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = HubConnection("http://testserver/hub", clock=clock)
    script.swallows_upgrades = True
    closing = Closing(script, monkeypatch)
    first = asyncio.create_task(hub.start())
    await settle()
    stopping = asyncio.create_task(hub.stop())
    await closing.reached.wait()
    script.swallows_upgrades = False
    with pytest.raises(RuntimeError):
        await hub.start()
    closing.open.set()
    await stopping
    await hub.start()
    with pytest.raises(ConnectionClosed, match="stopped"):
        await first
    await settle()
    assert hub.state is ConnectionState.CONNECTED
    await hub.stop()


async def test_a_policy_that_answers_nonsense_ends_the_connection(script: Script, clock: ManualClock) -> None:
    nonsense: Any = lambda retry: "soon"  # noqa: E731
    hub = await started(clock, retry=nonsense)
    script.peer.hang_up()
    closed = asyncio.create_task(hub.closed())
    await settle()
    assert closed.done()
    assert isinstance(closed.result(), ConnectionClosed)
    assert hub.state is ConnectionState.DISCONNECTED
    await hub.stop()


@pytest.mark.parametrize("stopping", [False, True])
def test_a_connection_whose_event_loop_has_ended_can_be_started_in_another(script: Script, stopping: bool) -> None:
    hub = HubConnection(URL)
    first = asyncio.new_event_loop()
    first.run_until_complete(hub.start())
    with pytest.raises(RuntimeError, match="another event loop"):
        asyncio.run(hub.invoke("Add"))

    async def ends() -> None:
        if stopping:
            hub._stops.start(hub._stop())
            await asyncio.sleep(0)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:  # as `asyncio.run` does
            task.cancel()
        await settle()

    first.run_until_complete(ends())
    first.close()
    assert hub.state is ConnectionState.DISCONNECTED
    with pytest.raises(ConnectionClosed, match="there is no connection"):
        asyncio.run(hub.invoke("Add"))

    async def again() -> None:
        async with hub:
            assert hub.state is ConnectionState.CONNECTED

    asyncio.run(again())


async def test_a_room_that_is_left_while_it_is_joined_is_left_on_the_server(script: Script, clock: ManualClock) -> None:
    hub = await started(clock)
    room = hub.join_room("r")
    entering = asyncio.create_task(room.__aenter__())
    await settle()
    script.peer.answer(asked(script)["invocationId"], joined())  # on its way when the caller gives up
    entering.cancel()
    await answer(script, "LeaveRoom", None)
    await asyncio.wait([entering])
    assert entering.cancelled()
    await hub.stop()


async def test_a_state_that_is_set_while_a_room_is_joined_again_is_told(script: Script, clock: ManualClock) -> None:
    hub = await started(clock)
    async with room_of(script, hub) as room:
        await cut(script, clock)
        await settle()
        assert asked(script)["target"] == "JoinRoom"
        await room.set_state("typing")
        await answer(script, "JoinRoom", joined())
        assert await answer(script, "SetRoomState", None) == ["r", "typing"]


async def test_what_comes_while_a_room_is_joined_once_more_is_heard_by_those_who_are_in_it(
    script: Script, clock: ManualClock
) -> None:
    hub = await started(clock)
    async with room_of(script, hub, joined(1), presence=True) as first:
        second = hub.join_room("r", since="e-0", presence=False, visible=False)
        third = hub.join_room("r", since="malformed", presence=False)  # still to be answered when the second is
        entering = [asyncio.create_task(each.__aenter__()) for each in (second, third)]
        await settle()
        call = script.peer.heard(1)[-2]
        assert call["arguments"] == ["r", "e-0", {"visible": True, "presence": True}]  # as all together want it
        # 2 and Ada are in the answer, and do not come by themselves
        script.peer.answer(call["invocationId"], joined(1, 2, members=[ADA]))
        await answer(script, "JoinRoom", joined(complete=False, end=2))
        await asyncio.gather(*entering)
        script.peer.call("RoomPresence", "r", {"kind": "leave", "member": ADA})
        found = [await anext(first) for _ in range(5)]
        assert [getattr(each, "data", None) or getattr(each, "kind", None) for each in found] == [
            1, "members", 2, "members", "members"
        ]  # fmt: skip
        assert await said(second, 2) == [1, 2]
        assert await said(third, 1) == ["e-2"]
        await second.leave()
        await third.leave()


async def test_a_list_of_members_that_another_one_gets_is_not_put_over_changes_after_it(
    script: Script, clock: ManualClock
) -> None:
    hub = await started(clock)
    async with room_of(script, hub, joined(members=[ADA], changes=1), presence=True) as first:
        second = hub.join_room("r", presence=False)
        entering = asyncio.create_task(second.__aenter__())
        await settle()
        change(script, "enter", BOB, 2)  # before the server has handled the join
        change(script, "leave", ADA, 4)  # after it, before the answer
        await answer(script, "JoinRoom", joined(members=[ADA, BOB], changes=3))
        await entering
        change(script, "enter", ADA, 5)
        kinds = [getattr(await anext(first), "kind", None) for _ in range(5)]
        assert kinds == ["members", "enter", "leave", "members", "enter"]
        assert [each.key for each in first.members] == ["u:bob", "u:ada"]
        await second.leave()


async def test_who_may_have_lost_changes_as_another_one_joined_its_room_joins_again(
    script: Script, clock: ManualClock
) -> None:
    hub = await started(clock, buffer=2)
    async with room_of(script, hub, joined(members=[ADA], changes=1), presence=True) as first:
        second = hub.join_room("r", presence=True)
        entering = asyncio.create_task(second.__aenter__())
        await settle()
        for number in (3, 4, 5):  # more than the second one holds while it joins
            await anext(first)
            change(script, "leave" if number == 5 else "update", ADA, number)
            await settle()
        await answer(script, "JoinRoom", joined(members=[ADA], changes=2))
        await entering
        reading = [asyncio.create_task(each.__anext__()) for each in (first, first, second, second, second)]
        await settle()
        again = [each for each in script.peer.heard(1) if each["target"] == "JoinRoom"][2:]
        for call in again:
            script.peer.answer(call["invocationId"], joined(changes=5))
        await asyncio.gather(*reading)
        await settle()
        assert (len(again), first.members, second.members) == (2, (), ())
        await second.leave()
