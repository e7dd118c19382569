"""`HubConnection` on a scripted server, with a manual clock."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec import UNSET, ValidationError

from hubline import ConfigurationError, ConnectionClosed, InvocationError
from hubline.client import ConnectionState, HubConnection, Retry, link
from hubline.testing import ManualClock, settle
from hubline.wire.messages import Completion, Ping
from tests.client.scripted import PING, URL, Script, clock, script, started

fixtures = (clock, script)
CONNECTED, RECONNECTING, DISCONNECTED = (
    ConnectionState.CONNECTED,
    ConnectionState.RECONNECTING,
    ConnectionState.DISCONNECTED,
)


async def numbers(*values: int) -> AsyncIterator[int]:
    for value in values:
        yield value


async def test_it_connects_calls_and_disconnects(script: Script) -> None:
    async with HubConnection(URL) as hub:
        assert hub.state is CONNECTED
        assert hub.connection_id == "id"
        call = asyncio.create_task(hub.invoke("Add", 1, 2, result_type=int))
        await settle()
        assert script.peer.written[1:] == [
            PING,
            {"type": 1, "invocationId": "0", "target": "Add", "arguments": [1, 2]},
        ]
        script.peer.answer("0", 3)
        assert await call == 3
    assert hub.state is DISCONNECTED
    assert hub.connection_id is None
    assert script.peer.written[-1] == {"type": 7}
    assert script.peer.closed
    assert script.closed == 1
    assert await hub.closed() is None


async def test_errors_of_calls(script: Script, clock: ManualClock) -> None:
    hub = await started(clock)
    failing, unfit = (asyncio.create_task(hub.invoke("M", result_type=int)) for _ in "ab")
    await settle()
    script.peer.say(Completion(invocation_id="0", error="no"))
    script.peer.answer("1", "text")
    with pytest.raises(InvocationError) as found:
        await failing
    assert (found.value.target, found.value.message) == ("M", "no")
    with pytest.raises(ValidationError, match="M: Expected `int`, got `str`"):
        await unfit
    await hub.stop()
    with pytest.raises(ConnectionClosed, match="there is no connection"):
        await hub.invoke("M")


async def test_a_cancelled_call_is_cancelled_on_the_server(script: Script, clock: ManualClock) -> None:
    hub = await started(clock)
    call = asyncio.create_task(hub.invoke("Slow"))
    await settle()
    call.cancel()
    await settle()
    assert script.peer.heard(5) == [{"type": 5, "invocationId": "0"}]
    await hub.stop()


async def test_a_stream_and_its_end(script: Script, clock: ManualClock) -> None:
    hub = await started(clock)
    read = asyncio.create_task(_all(hub.stream("Count", 2, result_type=int)))
    await settle()
    script.peer.item("0", 1, 2)
    script.peer.say(Completion(invocation_id="0", result=UNSET))
    assert await read == [1, 2]
    assert script.peer.heard(5) == []
    await hub.stop()


@pytest.mark.statement(207)
async def test_leaving_a_stream_cancels_it(script: Script, clock: ManualClock) -> None:
    hub = await started(clock)
    stream = hub.stream("Count", result_type=int)
    first = asyncio.ensure_future(anext(stream))
    await settle()
    script.peer.item("0", 1)
    assert await first == 1
    await stream.aclose()
    await settle()
    assert script.peer.heard(5) == [{"type": 5, "invocationId": "0"}]
    await hub.stop()


async def test_a_cancelled_reader_cancels_its_stream(script: Script, clock: ManualClock) -> None:
    hub = await started(clock)
    read = asyncio.create_task(_all(hub.stream("Count")))
    await settle()
    read.cancel()
    await settle()
    assert len(script.peer.heard(5)) == 1
    await hub.stop()


async def test_a_slow_reader_stops_reading_and_a_call_makes_it_go_on(script: Script, clock: ManualClock) -> None:
    hub = await started(clock, buffer=4)
    stream = hub.stream("Count", result_type=int)
    first = asyncio.ensure_future(anext(stream))
    await settle()
    script.peer.item("0", *range(20))
    assert await first == 0
    await settle()
    assert script.peer.reads == 1 + 4, "the handshake and four items"
    call = asyncio.create_task(hub.invoke("Echo"))
    await settle()
    script.peer.answer("1", "here")
    assert await call == "here", "its answer is behind the items"
    assert [await anext(stream) for _ in range(19)] == list(range(1, 20))
    await hub.stop()


async def test_a_reader_that_stands_still_keeps_no_server_waiting_for_too_long(
    script: Script, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = len(b'{"type":2,"invocationId":"0","item":"x"}\x1e')
    monkeypatch.setattr(link, "SIP", 3 * size)
    monkeypatch.setattr(link, "AHEAD", 12 * size)
    hub = await started(clock, buffer=4, server_timeout=20.0)
    stream = hub.stream("Count", result_type=str)
    first = asyncio.ensure_future(anext(stream))
    await settle()
    script.peer.item("0", *["x"] * 40)
    assert await first == "x"
    for seconds, reads in ((3.9, 5), (0.2, 8), (4.0, 11), (4.0, 14), (4.0, 16), (100.0, 16)):
        await clock.advance(seconds)
        assert script.peer.reads == reads
    assert hub.state is CONNECTED, "the time without reading is no silence of the server"
    assert script.peer.heard(6)[3:], "the client pings"
    assert [await anext(stream) for _ in range(39)] == ["x"] * 39
    assert script.peer.reads == 41
    await hub.stop()


@pytest.mark.statement(208)
async def test_uploads(script: Script, clock: ManualClock) -> None:
    hub = await started(clock)
    await hub.send("Upload", numbers(1, 2), numbers(3), "x")
    await settle()
    assert script.peer.written[2] == {"type": 1, "target": "Upload", "arguments": ["x"], "streamIds": ["0", "1"]}
    assert [message["item"] for message in script.peer.heard(2) if message["invocationId"] == "0"] == [1, 2]
    assert [message["item"] for message in script.peer.heard(2) if message["invocationId"] == "1"] == [3]
    assert sorted(message["invocationId"] for message in script.peer.heard(3)) == ["0", "1"]
    await hub.stop()


async def test_an_upload_that_fails_and_one_whose_call_is_answered(script: Script, clock: ManualClock) -> None:
    closed: list[str] = []

    async def broken() -> AsyncIterator[int]:
        yield 1
        raise ValueError("no more")

    async def endless() -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            closed.append("endless")

    hub = await started(clock)
    await hub.send("Upload", broken())
    call = asyncio.create_task(hub.invoke("First", endless()))
    await settle()
    assert script.peer.heard(3) == [{"type": 3, "invocationId": "0", "error": "no more"}]
    script.peer.answer("2", 1)
    await call
    await settle()
    assert closed == ["endless"]
    await hub.stop()


async def test_handlers_run_in_order_and_one_that_fails_is_logged(
    script: Script, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[Any] = []
    gate = asyncio.Event()

    async def slow(text: str) -> None:
        await gate.wait()
        heard.append(text)

    hub = await started(clock)
    hub.on("Slow", slow)
    hub.on("Quick", heard.append)
    hub.on("Gone", heard.append)
    hub.off("Gone")
    for target in ("Slow", "Quick", "Gone"):
        script.peer.call(target, target)
    script.peer.call("Quick")  # without its argument
    await settle()
    assert heard == []
    gate.set()
    await settle()
    assert heard == ["Slow", "Quick"]
    assert [record.message for record in caplog.records] == [
        "the server calls Gone, for which there is no handler",
        "the handler of Quick failed",
    ]
    await hub.stop()


@pytest.mark.statement(206)
async def test_answers_to_the_server(script: Script, clock: ManualClock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "hubline.client")

    async def waits(value: int) -> int:
        await asyncio.Event().wait()
        return value

    def refuses(value: int) -> None:
        raise ValueError(f"not {value}")

    hub = await started(clock)
    hub.on("Wait", waits)
    hub.on("Refuse", refuses)
    hub.on("Double", lambda value: 2 * value)
    hub.on("Odd", lambda value: object())
    for number, target in enumerate(("Wait", "Refuse", "Double", "Odd", "Nobody")):
        script.peer.call(target, 4, id=str(number))
    await settle()
    answers = {message["invocationId"]: message for message in script.peer.heard(3)}
    assert answers.keys() == {"1", "2", "3", "4"}, "who waits does not hold up the others"
    assert answers["1"]["error"] == "not 4"
    assert answers["2"]["result"] == 8
    assert "error" in answers["3"]
    assert answers["4"]["error"] == "Client didn't provide a result."
    await hub.stop()


@pytest.mark.statement(170)
async def test_pings_and_the_silence_of_the_server(script: Script, clock: ManualClock) -> None:
    hub = await started(clock, retry=None)
    call = asyncio.create_task(hub.invoke("Slow"))
    await clock.advance(29.0)
    assert len(script.peer.heard(6)) == 2, "one after the handshake, one after 15 s"
    script.peer.say(Ping())
    await settle()
    await clock.advance(29.0)
    assert hub.state is CONNECTED
    await clock.advance(2.0)
    lost = await hub.closed()
    assert str(lost) == "the server sent nothing for 30 s"
    with pytest.raises(ConnectionClosed, match="Slow was answered: the server sent nothing for 30 s"):
        await call
    await hub.stop()


@pytest.mark.statement(200, 203, 204)
async def test_reconnecting(script: Script, clock: ManualClock) -> None:
    hub = await started(clock)
    seen = hub.states()
    assert await anext(seen) is CONNECTED
    call = asyncio.create_task(hub.invoke("Slow"))
    read = asyncio.create_task(_all(hub.stream("Count")))
    await settle()
    script.posts.append(ConnectionClosed("nobody there"))
    script.peer.hang_up()
    for waiting in (call, read):
        with pytest.raises(ConnectionClosed, match=r"ended before .* was answered: the socket broke"):
            await waiting
    await settle()
    assert await anext(seen) is RECONNECTING
    assert hub.connection_id is None
    with pytest.raises(ConnectionClosed, match="being restored"):
        await hub.send("M")
    await clock.advance(1.9)
    assert len(script.asked) == 2, "at once, and then after 2 s"
    await clock.advance(0.2)
    assert await anext(seen) is CONNECTED
    assert len(script.peers) == 2
    again = asyncio.create_task(hub.invoke("Add"))
    await settle()
    script.peer.answer("0", 3)
    assert await again == 3
    await hub.stop()
    assert [state async for state in seen] == [DISCONNECTED]


@pytest.mark.statement(200)
async def test_giving_up(script: Script, clock: ManualClock) -> None:
    hub = await started(clock)
    script.posts.extend([ConnectionClosed("nobody there")] * 4)
    script.peer.hang_up()
    await clock.advance(41.9)
    assert hub.state is RECONNECTING
    await clock.advance(0.2)
    lost = await hub.closed()
    assert hub.state is DISCONNECTED
    assert str(lost) == "Reconnect retries have been exhausted after 4 failed attempts and 42 s: nobody there"
    for use in (hub.invoke("M"), hub.connected()):
        with pytest.raises(
            ConnectionClosed, match=r"there is no connection: Reconnect retries .*nobody there"
        ) as found:
            await use
        assert found.value.__cause__ is lost
    await hub.start()
    assert hub.state is CONNECTED
    await hub.stop()
    assert script.closed == 2


@pytest.mark.statement(201, 202)
@pytest.mark.parametrize(
    ("allowed", "then"), [(False, DISCONNECTED), (True, CONNECTED), (None, CONNECTED)], ids=["no", "yes", "no Close"]
)
async def test_who_may_come_back(script: Script, clock: ManualClock, allowed: bool | None, then: object) -> None:
    hub = await started(clock)
    script.peer.hang_up(allowed)
    await clock.advance(1.0)
    assert hub.state is then
    if then is DISCONNECTED:
        assert str(await hub.closed()) == "The server closed the connection with the following error: broken"
    await hub.stop()


async def test_a_policy_is_asked_before_each_attempt(
    script: Script, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[Retry] = []

    def policy(retry: Retry) -> float:
        asked.append(retry)
        if retry.attempts == 2:
            raise ValueError("a mistake in the policy")
        return 1.0

    hub = await started(clock, retry=policy)
    script.posts.extend([ConnectionClosed("nobody there")] * 2)
    script.peer.hang_up()
    await clock.advance(5.0)
    assert [(retry.attempts, retry.elapsed, str(retry.error)) for retry in asked] == [
        (0, 0.0, "the socket broke"),
        (1, 1.0, "nobody there"),
        (2, 2.0, "nobody there"),
    ]
    assert hub.state is DISCONNECTED
    assert "the retry policy failed" in caplog.text
    await hub.stop()


@pytest.mark.statement(205)
async def test_stopping_while_it_reconnects(script: Script, clock: ManualClock) -> None:
    hub = await started(clock)
    script.answers = False
    script.peer.hang_up()
    await settle()
    assert hub.state is RECONNECTING
    await hub.stop()
    assert await hub.closed() is None
    assert all(peer.closed for peer in script.peers)


async def test_calls_that_wait_when_it_is_stopped(script: Script, clock: ManualClock) -> None:
    hub = await started(clock)
    waiting = [asyncio.create_task(hub.invoke("Slow")), asyncio.create_task(_all(hub.stream("Count")))]
    await settle()
    await hub.stop()
    for call in waiting:
        with pytest.raises(ConnectionClosed, match="ended before"):
            await call


async def test_a_handler_may_stop_the_connection(script: Script, clock: ManualClock) -> None:
    hub = await started(clock)
    hub.on("Stop", hub.stop)
    script.peer.call("Stop")
    assert await hub.closed() is None
    assert hub.state is DISCONNECTED
    assert script.peer.closed
    assert script.closed == 1


async def test_a_call_by_a_handler_is_answered_while_other_calls_wait(script: Script, clock: ManualClock) -> None:
    answers: list[int] = []

    async def ask(value: int) -> None:
        answers.append(await hub.invoke("Echo", value))

    hub = await started(clock, buffer=2)
    hub.on("Ask", ask)
    for value in range(9):
        script.peer.call("Ask", value)
    for value in range(9):
        await settle()
        script.peer.answer(str(value), value)
    await settle()
    assert answers == list(range(9))
    await hub.stop()


async def test_wrong_use(script: Script, clock: ManualClock) -> None:
    wrong: dict[str, dict[str, Any]] = {
        "codec must be": {"codec": "xml"},
        "buffer must be": {"buffer": 0},
        "retry must be": {"retry": "2"},
        "retry must be a sequence of seconds, a function, or None, got 5": {"retry": 5},
        r"got \(1, -1\)": {"retry": (1, -1)},
        "connect_timeout must be": {"connect_timeout": "15"},
        "keep_alive_interval must be": {"keep_alive_interval": 0},
        "server_timeout must be": {"server_timeout": -1},
        "maximum_message_size must be": {"maximum_message_size": 0},
        "stateful_buffer must be": {"stateful_buffer": None},
        "transports must be some of 'websocket', 'sse', 'long_polling', not 'sse'": {"transports": "sse"},
        "transports must be": {"transports": []},
        "carries text only": {"transports": ["sse"], "codec": "messagepack"},
        "with WebSockets only": {"transports": ["sse"], "skip_negotiation": True},
        "stateful reconnect needs": {"stateful": True, "skip_negotiation": True},
        "proxy must be": {"proxy": "socks5://h"},
        "proxy must be an address": {"proxy": "http://[h"},
        "exclude each other": {"proxy": "http://h", "unix_socket": "/s"},
    }
    for text, settings in wrong.items():
        with pytest.raises(ConfigurationError, match=text):
            HubConnection(URL, **settings)
    with pytest.raises(ConfigurationError, match="is not the address of a hub"):
        HubConnection("testserver/hub")
    hub = await started(clock)
    with pytest.raises(RuntimeError, match="the connection is connected"):
        await hub.start()
    await hub.stop()
    with pytest.raises(ConnectionClosed, match="there is no connection: it was stopped"):
        await hub.invoke("M")
    new = HubConnection(URL)
    with pytest.raises(ConnectionClosed, match="there is no connection: it has not been started"):
        await new.send("M")
    with pytest.raises(RuntimeError, match="has not been started"):
        await new.closed()


async def _all(stream: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in stream]
