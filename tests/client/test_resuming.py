"""Stateful reconnect of the client, on a scripted server with a manual clock."""

import asyncio
from typing import Any

import pytest

from hubline import ConnectionClosed, NegotiationError
from hubline.client import ConnectionState, HubConnection
from hubline.testing import ManualClock, settle
from hubline.wire.messages import Ack, Sequence
from tests.client.scripted import NEGOTIATED, Script, clock, script, started

fixtures = (clock, script)


async def connected(script: Script, clock: ManualClock, **settings: Any) -> HubConnection:
    script.posts.append((200, {**NEGOTIATED, "useStatefulReconnect": True}))
    return await started(clock, stateful=True, **settings)


async def calling(hub: HubConnection, *values: int) -> list[asyncio.Task[Any]]:
    calls = [asyncio.create_task(hub.invoke("Echo", value)) for value in values]
    await settle()
    return calls


async def test_it_asks_and_names_version_2(script: Script, clock: ManualClock) -> None:
    hub = await connected(script, clock)
    assert "useStatefulReconnect=true" in script.asked[0][0]
    assert script.peer.written[0] == {"protocol": "json", "version": 2}
    await hub.stop()


async def test_a_server_that_does_not_agree_gets_version_1(script: Script, clock: ManualClock) -> None:
    hub = await started(clock, stateful=True)
    assert script.peer.written[0] == {"protocol": "json", "version": 1}
    script.peer.hang_up()
    await settle()
    assert len(script.asked) == 2, "it reconnects as always"
    await hub.stop()


async def test_another_socket_goes_on_and_gets_what_was_not_acknowledged(script: Script, clock: ManualClock) -> None:
    tokens = iter("abc")
    hub = await connected(script, clock, token=lambda: next(tokens))
    states = hub.states()
    assert await anext(states) is ConnectionState.CONNECTED
    first, second = await calling(hub, 1, 2)
    script.peer.answer("0", 1)
    script.peer.say(Ack(sequence_id=1))
    assert await first == 1
    script.peer.hang_up()
    (third,) = await calling(hub, 3)
    assert [peer.place.url for peer in script.peers] == ["http://testserver/hub?id=secret"] * 2
    assert script.peer.place.headers["Authorization"] == "Bearer b", (
        "the new socket is authorised with the token of now"
    )
    assert script.peers[0].closed
    assert script.peer.written == [
        {"type": 9, "sequenceId": 2},
        {"type": 8, "sequenceId": 1},
        {"type": 1, "invocationId": "1", "target": "Echo", "arguments": [2]},
        {"type": 1, "invocationId": "2", "target": "Echo", "arguments": [3]},
    ]
    script.peer.say(Sequence(sequence_id=1))
    script.peer.answer("0", 1)  # again
    script.peer.answer("1", 2)
    script.peer.answer("2", 3)
    assert [await second, await third] == [2, 3]
    await clock.advance(1.0)
    assert script.peer.heard(8)[-1] == {"type": 8, "sequenceId": 3}
    assert hub.connection_id == "id"
    await hub.stop()
    assert await anext(states) is ConnectionState.DISCONNECTED, "nobody was told of the loss"


async def test_what_is_sent_without_a_socket_comes_on_the_next(script: Script, clock: ManualClock) -> None:
    hub = await connected(script, clock)
    script.upgrades.extend([ConnectionClosed("nobody there"), NegotiationError(503, "a proxy without its server")])
    script.peer.hang_up()
    await settle()
    await hub.send("Log", 1)
    (call,) = await calling(hub, 2)
    assert len(script.peers) == 1
    await clock.advance(1.6)
    assert [message.get("arguments") for message in script.peer.written] == [None, [1], [2]]
    script.peer.say(Sequence(sequence_id=1))
    script.peer.answer("0", 2)
    assert await call == 2
    await clock.advance(20.0)
    assert script.peer.heard(6), "pings go on"
    await hub.stop()


@pytest.mark.parametrize(
    ("refusals", "seconds"), [([NegotiationError(404, "gone")], 0.0), ([ConnectionClosed("nobody there")] * 9, 15.0)]
)
async def test_when_it_does_not_go_on_it_reconnects(
    script: Script, clock: ManualClock, refusals: list[ConnectionClosed], seconds: float
) -> None:
    hub = await connected(script, clock)
    script.upgrades.extend(refusals)
    (call,) = await calling(hub, 1)
    script.peer.hang_up()
    if seconds:
        await clock.advance(seconds - 0.6)
        assert not call.done()
        script.upgrades.clear()
        script.upgrades.append(refusals[0])
        await clock.advance(0.7)
    with pytest.raises(ConnectionClosed, match="ended before Echo"):
        await call
    await settle()
    assert len(script.asked) == 2
    assert hub.state is ConnectionState.CONNECTED
    await hub.stop()


async def test_a_close_of_the_server_is_the_end(script: Script, clock: ManualClock) -> None:
    hub = await connected(script, clock)
    script.peer.hang_up(allow_reconnect=False)
    assert "broken" in str(await hub.closed())
    assert len(script.peers) == 1
    await hub.stop()


async def test_too_much_that_is_not_acknowledged_makes_senders_wait(script: Script, clock: ManualClock) -> None:
    hub = await connected(script, clock, stateful_buffer=200)
    sends = [asyncio.create_task(hub.send("Log", "x" * 90)) for _ in range(4)]
    await settle()
    assert [send.done() for send in sends] == [True, False, False, False]
    assert len(script.peer.heard(1)) == 4, "they are on their way"
    script.peer.say(Ack(sequence_id=2))
    await settle()
    assert not any(send.done() for send in sends[1:])
    script.peer.say(Ack(sequence_id=3))
    await asyncio.gather(*sends)
    last = [asyncio.create_task(hub.send("Log", "x" * 90)) for _ in range(2)]
    await settle()
    await hub.stop()
    for send in last:
        with pytest.raises(ConnectionClosed):
            await send


async def test_a_gap_is_the_end_of_the_connection(script: Script, clock: ManualClock) -> None:
    hub = await connected(script, clock, retry=None)
    script.peer.hang_up()
    await settle()
    script.peer.say(Sequence(sequence_id=5))
    assert "Sequence ID greater than" in str(await hub.closed())
    await hub.stop()


async def test_stopping_while_there_is_no_socket(script: Script, clock: ManualClock) -> None:
    hub = await connected(script, clock)
    script.upgrades.extend([ConnectionClosed("nobody there")] * 3)
    script.peer.hang_up()
    await settle()
    await hub.stop()
    assert hub.state is ConnectionState.DISCONNECTED
    assert all(peer.closed for peer in script.peers)
