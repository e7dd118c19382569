"""Callers that are cancelled in any turn of the event loop: nothing of theirs is left."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from typing import Any

import pytest

from hubline.client import ConnectionState, HubConnection
from hubline.errors import ConnectionClosed
from hubline.testing import ManualClock
from hubline.wire.messages import Completion
from tests.client.scripted import NEGOTIATED, URL, Script, clock, script

__all__ = ["clock", "script"]

POLLING = {"transport": "LongPolling", "transferFormats": ["Text"]}
TWO_TRANSPORTS = {**NEGOTIATED, "availableTransports": [*NEGOTIATED["availableTransports"], POLLING]}  # type: ignore[misc]
JOINED = {"room": "r", "position": "e-0", "complete": True, "messages": [], "members": []}
LONGER_THAN_ALL = 200
"""Turns."""

Use = Callable[[HubConnection, Script], Awaitable[None]]


async def numbers() -> AsyncIterator[int]:
    for number in range(3):
        yield number
        await asyncio.sleep(0)


async def calls(hub: HubConnection, script: Script) -> None:
    async with hub:
        await hub.invoke("Add", 1, numbers())
        await hub.send("Upload", numbers())
        async with aclosing(hub.stream("Count", numbers())) as items:
            assert [item async for item in items] == [1, 2]
        script.peer.hang_up()
        await asyncio.sleep(0)
        await hub.connected()
        await hub.invoke("Add", 1)


async def rooms(hub: HubConnection, script: Script) -> None:
    async with hub, hub.join_room("r") as room:
        await room.send("x")
        script.peer.call("RoomMessage", "r", {"position": "e-1", "at": "now", "data": 1})
        await anext(room)
        await anext(room)
        script.peer.hang_up()
        await asyncio.sleep(0)
        await hub.connected()
        await room.send("y")


async def answering(script: Script) -> None:
    """The server answers every call at once."""
    read: dict[int, int] = {}
    while True:
        for peer in script.peers:
            heard = peer.written[read.get(id(peer), 0) :]
            read[id(peer)] = len(peer.written)
            for message in heard:
                if message.get("type") == 1 and "invocationId" in message:
                    peer.answer(message["invocationId"], JOINED if message["target"] == "JoinRoom" else "e-9")
                elif message.get("type") == 4:
                    peer.item(message["invocationId"], 1, 2)
                    peer.say(Completion(invocation_id=message["invocationId"]))
        await asyncio.sleep(0)


async def cancelled_in(turn: int, caller: "asyncio.Task[Any]", again: int | None) -> bool:
    """Cancel a task, and once more so many turns later. Returns whether it was over before."""
    for _ in range(turn):
        await asyncio.sleep(0)
    was_over = caller.done()
    caller.cancel()
    if again is not None:
        for _ in range(again):
            await asyncio.sleep(0)
        caller.cancel()
    with suppress(asyncio.CancelledError, ConnectionClosed):
        await caller
    return was_over


@pytest.mark.parametrize("use", [calls, rooms])
@pytest.mark.parametrize("answer", [NEGOTIATED, TWO_TRANSPORTS, {**NEGOTIATED, "useStatefulReconnect": True}])
@pytest.mark.parametrize("again", [None, 1])
async def test_nothing_is_left_of_a_caller_that_is_cancelled(
    script: Script, clock: ManualClock, use: Use, answer: Any, again: int | None
) -> None:
    problems: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
    before = asyncio.all_tasks()
    for turn in range(LONGER_THAN_ALL):
        script.peers.clear()
        script.posts.extend([(200, answer)] * 3)
        hub = HubConnection(URL, clock=clock, stateful="useStatefulReconnect" in answer)
        server = asyncio.create_task(answering(script))
        caller: asyncio.Task[Any] = asyncio.ensure_future(use(hub, script))
        was_over = await cancelled_in(turn, caller, again)
        await hub.stop()
        assert hub.state is ConnectionState.DISCONNECTED
        assert not hub._calls.listeners
        assert all(peer.closed for peer in script.peers)
        server.cancel()
        await asyncio.wait((server,))
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == before
        if was_over:
            break
    else:
        pytest.fail("it takes longer than all")
    gc.collect()
    assert problems == []
