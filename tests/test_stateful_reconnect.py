"""Stateful reconnect of a whole app: what draining and the end of the window mean for who has no socket."""

import asyncio
import json
from typing import ClassVar

import pytest

from hubline import Client, Hub, HubApp, HubOptions, TransportOptions
from hubline.testing import ManualClock, settle
from tests.transports.driver import Request, Socket


class Room(Hub[Client]):
    ended: ClassVar[list[str | None]] = []

    async def on_disconnected(self, error: Exception | None) -> None:
        self.ended.append(None if error is None else str(error))

    async def echo(self, value: str) -> str:
        return value


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def app(clock: ManualClock) -> HubApp:
    Room.ended.clear()
    options = HubOptions(stateful_reconnect_window=40)
    return HubApp({"/hub": Room}, options=options, transport=TransportOptions(stateful_reconnect=True), clock=clock)


async def without_socket(app: HubApp) -> str:
    """The token of a connection that has lost its socket."""
    query = "negotiateVersion=1&useStatefulReconnect=true"
    negotiated = await Request(app, "POST", query, path="/hub/negotiate").answered()
    token = str(json.loads(negotiated.body)["connectionToken"])
    socket = Socket(app, f"id={token}")
    socket.say('{"protocol":"json","version":2}\x1e')
    await settle()
    socket.leave(1006)
    await socket.ended()
    await settle()
    assert app.statistics()["transports"].connections == 1
    assert Room.ended == []
    return token


async def test_draining_waits_for_nobody_who_has_no_socket(app: HubApp) -> None:
    token = await without_socket(app)
    async with asyncio.timeout(30):
        await app.drain()
    assert Room.ended == [None]
    assert app.statistics()["transports"].connections == 0
    late = await Socket(app, f"id={token}").ended()
    assert late.sent[0]["status"] == 404


@pytest.mark.statement(181)
async def test_on_disconnected_runs_when_the_window_is_over_and_not_before(app: HubApp, clock: ManualClock) -> None:
    token = await without_socket(app)
    await clock.advance(39)
    assert Room.ended == []
    await clock.advance(3)
    await settle()
    assert Room.ended == [None]
    late = await Socket(app, f"id={token}").ended()
    assert late.sent[0]["status"] == 404


async def test_a_call_goes_on_on_the_next_socket(app: HubApp) -> None:
    token = await without_socket(app)
    socket = Socket(app, f"id={token}")
    await settle()
    socket.say('{"type":9,"sequenceId":1}\x1e{"type":1,"invocationId":"1","target":"Echo","arguments":["a"]}\x1e')
    await settle()
    said = "".join(map(str, socket.messages)).split("\x1e")
    assert said == ['{"type":9,"sequenceId":1}', '{"type":3,"invocationId":"1","result":"a"}', ""]
    socket.say('{"type":7}\x1e')
    await socket.ended()
    assert Room.ended == [None]
