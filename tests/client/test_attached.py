"""Runs over lost connections, on a scripted server with a manual clock."""

import asyncio
from contextlib import aclosing
from typing import Any

import msgspec
import pytest

from hubline import ConnectionClosed, InvocationError
from hubline.client import HubConnection, RunInfo
from hubline.client.following import LONGEST
from hubline.testing import ManualClock, settle
from hubline.wire.messages import Completion
from tests.client.scripted import URL, Script, clock, script, started

fixtures = (clock, script)
END: dict[str, Any] = {"kind": "end", "state": "completed", "error": None, "usage": [], "unread": [], "position": "z"}
INFO = {"id": "r", "state": "running", "position": "a", "startedAt": "2026-11-29T08:00:00.000Z", "viewers": 2}


def text(words: str, position: str) -> dict[str, Any]:
    return {"kind": "text", "part": "1", "text": words, "position": position}


def asked(script: Script) -> list[Any]:
    """The arguments of the newest stream."""
    found: list[Any] = script.peer.heard(4)[-1]["arguments"]
    return found


async def test_a_run_goes_on_behind_the_last_item(script: Script, clock: ManualClock) -> None:
    hub = await started(clock)
    run = hub.run("r")
    whole = asyncio.create_task(run.wait())
    await settle()
    assert asked(script) == ["r", None]
    script.peer.item("0", text("to ", "a"), {"kind": "live", "position": "a"})
    await settle()
    assert (run.position, run.content.live) == ("a", True)
    script.peer.hang_up()
    await settle()
    await clock.advance(0.0)
    assert len(script.peers) == 2
    assert asked(script) == ["r", "a"]
    assert not run.content.live
    script.peer.item("0", text("be", "b"), END)
    found = await whole
    assert (found.text, found.ended, run.id, run.position) == ("to be", True, "r", "z")
    assert [item async for item in run] == [], "nothing more comes"
    await hub.stop()


async def test_another_loop_reads_on_where_one_was_left(script: Script, clock: ManualClock) -> None:
    hub = await started(clock)
    run = hub.run("r", after="kept")
    first = aiter(run)
    next_item = asyncio.ensure_future(anext(first))
    await settle()
    assert asked(script) == ["r", "kept"]
    script.peer.item("0", text("to ", "a"))
    assert await next_item == text("to ", "a")
    rest = asyncio.create_task(_all(run))
    await settle()
    assert asked(script) == ["r", "a"]
    script.peer.item("0", text("twice", "b"))
    assert [item async for item in first] == [], "the earlier loop ends"
    script.peer.item("1", text("be", "b"), END)
    assert await rest == [text("be", "b"), END]
    assert run.content.text == "to be"
    await hub.stop()


async def test_errors_of_the_server(script: Script, clock: ManualClock) -> None:
    hub = await started(clock, server_timeout=1e6, keep_alive_interval=1e6)
    reading = asyncio.create_task(_all(hub.run("r")))
    await settle()
    for number in range(12):
        script.peer.say(Completion(invocation_id=str(number), error="The run cannot be reached at present."))
        await settle()
        assert len(script.peer.heard(4)) == number + 1, "not at once"
        await clock.advance(LONGEST * 1.5)
        await settle()
    script.peer.say(Completion(invocation_id="12", error="HubException: The run does not exist."))
    with pytest.raises(InvocationError, match="does not exist"):
        await reading
    await hub.stop()


async def test_a_connection_that_is_over(script: Script, clock: ManualClock) -> None:
    hub = await started(clock, retry=None)
    run = hub.run("r")
    reading = asyncio.create_task(_all(run))
    await settle()
    script.peer.hang_up()
    with pytest.raises(ConnectionClosed, match="the socket broke"):
        await reading
    with pytest.raises(ConnectionClosed, match="the socket broke"):
        await run.stop()
    await hub.stop()
    with pytest.raises(ConnectionClosed, match="there is no connection"):
        await HubConnection(URL).run("r").wait()


async def test_calls_for_a_run(script: Script, clock: ManualClock) -> None:
    hub = await started(clock)
    run = hub.run("r")
    stopping, answering = asyncio.create_task(run.stop()), asyncio.create_task(run.answer("x", True))
    await settle()
    script.peer.hang_up()
    with pytest.raises(ConnectionClosed):
        await answering
    await settle()
    await clock.advance(0.0)
    assert [call["target"] for call in script.peer.heard(1)] == ["StopRun"], "only this call may be repeated"
    script.peer.answer("0", INFO | {"state": "stopped", "later": 1})
    stopped = await stopping
    assert (stopped.state, stopped.viewers, stopped.room) == ("stopped", 2, None)
    assert stopped.started_at is not None
    info, steering = asyncio.create_task(run.info()), asyncio.create_task(run.steer("more"))
    await settle()
    script.peer.answer("1", INFO)
    script.peer.answer("2", "s1")
    assert (await info).state == "running"
    assert await steering == "s1"
    assert script.peer.heard(1)[-1]["arguments"] == ["r", "more"]
    await hub.stop()


async def test_watching_runs(script: Script, clock: ManualClock) -> None:
    hub = await started(clock)
    async with aclosing(hub.watch_runs("room")) as watched:
        waiting = asyncio.ensure_future(anext(watched))
        await settle()
        assert asked(script) == ["room"]
        script.peer.item("0", {"kind": "runs", "runs": [INFO]})
        assert await waiting == (_info(),)
        script.peer.item("0", {"kind": "later"}, {"kind": "run", "info": INFO | {"id": "s"}})
        assert await anext(watched) == (_info(), _info(id="s"))
        script.peer.item("0", {"kind": "run", "info": INFO | {"state": "completed"}})
        assert [each.state for each in await anext(watched)] == ["completed", "running"]
        waiting = asyncio.ensure_future(anext(watched))
        script.peer.hang_up()
        await settle()
        await clock.advance(0.0)
        script.peer.item("0", {"kind": "runs", "runs": []})
        assert await waiting == ()
    await hub.stop()


def _info(id: str = "r") -> RunInfo:
    return msgspec.convert(
        {"id": id, "state": "running", "position": "a", "viewers": 2, "started_at": INFO["startedAt"]}, RunInfo
    )


async def _all(items: Any) -> list[Any]:
    return [item async for item in items]
