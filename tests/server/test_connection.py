"""The life of a connection: handshake, on_connected, reading, Close, on_disconnected, and every way it can end."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from hubline import Cancellation, Client, Hub, HubError, HubFilter, Identity
from hubline.errors import (
    BackplaneError,
    ConnectionClosed,
    KeepAliveTimeout,
    RemoteProtocolError,
    SendTimeout,
    SlowConsumerError,
)
from hubline.server.error_texts import AWAY
from hubline.testing import settle
from hubline.wire.codec import TransferFormat
from tests.server.bench import Bench, Line, bench, called, completion

HANDSHAKE = b'{"protocol":"json","version":1}\x1e'
CLOSED_WITH_ERROR = "Connection closed with an error."


class Life(Hub[Client]):
    """Notes what happens, and waits or fails where a test says so."""

    def __init__(self, notes: "Notes") -> None:
        self.notes = notes

    async def on_connected(self) -> None:
        await self.notes.reach("on_connected")

    async def on_disconnected(self, error: Exception | None) -> None:
        self.notes.errors.append(error)
        self.notes.steps.append(f"aborted: {self.context.aborted.requested}")
        await self.notes.reach("on_disconnected")
        await self.clients.caller.send("TooLate")

    async def echo(self, value: Any) -> Any:
        return value

    async def wait(self, name: str) -> str:
        await self.notes.reach(name)
        return name

    async def abort(self) -> str:
        self.context.abort()
        await self.clients.all.send("TooLate")
        return "too late"

    async def until_aborted(self) -> None:
        self.notes.steps.append("waiting")
        await self.context.aborted.wait()
        self.notes.steps.append("saw the abort")

    async def until_cancelled(self, cancellation: Cancellation) -> None:
        await cancellation.wait()
        self.notes.steps.append("was cancelled")

    async def tokens(self) -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            self.notes.steps.append("stream closed")

    async def tokens_without_a_wait(self, abort_at: int) -> AsyncIterator[int]:
        for number in range(100_000):
            self.notes.items = number
            if number == abort_at:
                self.context.abort()
            yield number

    async def read(self, items: AsyncIterator[int]) -> None:
        try:
            async for number in items:
                await self.notes.reach(f"item {number}")
        except Exception as error:
            self.notes.steps.append(f"upload: {error!r}")
            raise

    async def join(self, name: str) -> None:
        await self.groups.add(self.context.connection_id, name)


class Notes:
    def __init__(self) -> None:
        self.steps: list[Any] = []
        self.errors: list[Exception | None] = []
        self.held: dict[str, asyncio.Event] = {}
        self.failing: dict[str, Exception] = {}
        self.items = 0
        """Which of its items a stream has made."""

    def hold(self, name: str) -> asyncio.Event:
        return self.held.setdefault(name, asyncio.Event())

    async def reach(self, name: str) -> None:
        self.steps.append(name)
        if name in self.held:
            await self.held[name].wait()
        if name in self.failing:
            raise self.failing[name]


@pytest.fixture
def notes() -> Notes:
    return Notes()


def life(notes: Notes, **options: Any) -> Any:
    return bench(Life, create=lambda: Life(notes), **options)


# Handshake


@pytest.mark.statement(74)
async def test_the_answer_to_the_handshake_comes_before_on_connected(notes: Notes) -> None:
    notes.hold("on_connected")
    async with life(notes) as hub:
        ada = hub.open()
        ada.send(HANDSHAKE)
        await settle()
        assert list(ada.transport.written) == [b"{}\x1e"]
        assert ada.transport.transfer_format is TransferFormat.TEXT


async def test_the_transfer_format_is_that_of_the_codec(notes: Notes) -> None:
    async with life(notes) as hub:
        ada = await hub.connect(codec="messagepack")
        assert ada.transport.transfer_format is TransferFormat.BINARY


@pytest.mark.statement(76, 141)
async def test_messages_behind_the_handshake_are_handled_after_on_connected(notes: Notes) -> None:
    held = notes.hold("on_connected")
    async with life(notes) as hub:
        ada = hub.open()
        ada.send(HANDSHAKE, {"type": 1, "invocationId": "1", "target": "Echo", "arguments": [1]})
        await settle()
        assert ada.take() == [{}]
        held.set()
        await settle()
        assert ada.take() == [completion("1", 1)]


@pytest.mark.statement(75)
async def test_a_handshake_in_pieces(notes: Notes) -> None:
    async with life(notes) as hub:
        ada = hub.open()
        for piece in (HANDSHAKE[:5], HANDSHAKE[5:20], HANDSHAKE[20:]):
            assert ada.take() == []
            ada.send(piece)
            await settle()
        assert ada.take() == [{}]


@pytest.mark.statement(78, 84)
async def test_a_refused_handshake_is_the_end_without_a_hub(notes: Notes) -> None:
    async with life(notes) as hub:
        ada = hub.open()
        ada.send(b'{"protocol":"xml","version":1}\x1e')
        assert await ada.ended() == [{"error": "The protocol 'xml' is not supported."}]
        assert ada.task.exception() is None
        assert notes.steps == []


@pytest.mark.statement(80)
async def test_a_handshake_that_never_comes(notes: Notes) -> None:
    async with life(notes) as hub:
        ada = hub.open()
        await hub.tick(14)
        assert not ada.task.done()
        await hub.tick(1)
        assert await ada.ended() == [{"error": "Handshake was canceled."}]
        assert notes.steps == []
        hub.assert_nothing_left()


async def test_a_peer_that_leaves_before_its_handshake(notes: Notes) -> None:
    async with life(notes) as hub:
        ada, bob = hub.open(), hub.open()
        bob.send(HANDSHAKE[:5])
        await settle()
        ada.lose()
        bob.lose()
        assert await ada.ended() == []
        assert await bob.ended() == []
        assert notes.steps == []
        hub.assert_nothing_left()


@pytest.mark.parametrize(("spoken", "other"), [("json", "messagepack"), ("messagepack", "json")])
async def test_a_hub_speaks_the_codecs_it_was_given_and_no_other(notes: Notes, spoken: str, other: str) -> None:
    async with life(notes, codecs=(spoken,)) as hub:
        await hub.connect(codec=spoken)
        assert notes.steps == ["on_connected"]
        bob = hub.open()
        bob.send(b'{"protocol":"%s","version":1}\x1e' % other.encode())
        assert await bob.ended() == [{"error": f"The protocol '{other}' is not supported."}]


# on_connected


@pytest.mark.statement(142)
async def test_what_on_connected_sends_comes_before_all_completions() -> None:
    class Welcoming(Hub):
        async def on_connected(self) -> None:
            await self.groups.add(self.context.connection_id, "g")
            for clients in (
                self.clients.caller,
                self.clients.all,
                self.clients.group("g"),
                self.clients.user("ada"),
                self.clients.client(self.context.connection_id),
            ):
                await clients.send("Welcome")

        async def echo(self, value: int) -> int:
            return value

    async with bench(Welcoming) as hub:
        ada = hub.open("ada")
        ada.send(HANDSHAKE, {"type": 1, "invocationId": "1", "target": "Echo", "arguments": [1]})
        await settle()
        assert ada.take() == [{}, *[called("Welcome")] * 5, completion("1", 1)]


@pytest.mark.statement(143)
@pytest.mark.parametrize("detailed", [False, True])
@pytest.mark.parametrize(
    ("error", "always", "with_details", "level"),
    [
        (HubError("refused"), " HubException: refused", " HubException: refused", logging.INFO),
        (RuntimeError("secret detail"), "", " RuntimeError: secret detail", logging.ERROR),
        (BackplaneError("Redis is away"), f" HubException: {AWAY}", " BackplaneError: Redis is away", logging.WARNING),
    ],
)
async def test_an_exception_in_on_connected_refuses_the_connection(
    notes: Notes,
    detailed: bool,
    error: Exception,
    always: str,
    with_details: str,
    level: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "hubline")
    notes.failing["on_connected"] = error
    async with life(notes, detailed_errors=detailed) as hub:
        ada = hub.open()
        ada.send(HANDSHAKE)
        text = CLOSED_WITH_ERROR + (with_details if detailed else always)
        assert await ada.ended() == [{}, {"type": 7, "error": text}]
        assert ada.task.exception() is None
        assert notes.steps == ["on_connected"], "and on_disconnected is not called"
        assert [record.levelno for record in caplog.records] == [level]
        assert (caplog.records[0].exc_info is not None) == isinstance(error, RuntimeError), "one line for an outage"
        hub.assert_nothing_left()


async def test_an_error_that_has_no_form_in_utf_8_is_told_all_the_same(notes: Notes) -> None:
    notes.failing["on_connected"] = HubError("half a pair: \ud800")
    async with life(notes) as hub:
        ada = hub.open()
        ada.send(HANDSHAKE)
        error = f"{CLOSED_WITH_ERROR} HubException: half a pair: ?"
        assert await ada.ended() == [{}, {"type": 7, "error": error}]


@pytest.mark.statement(144)
async def test_client_results_are_refused_in_on_connected_and_plain_sends_are_not() -> None:
    texts: list[str] = []

    class Asking(Hub):
        async def on_connected(self) -> None:
            for clients in (self.clients.caller, self.clients.client("c1")):
                try:
                    await clients.invoke("What")
                except Exception as error:
                    texts.append(str(error))
            await self.clients.client("c1").send("Hello")

    async with bench(Asking) as hub:
        ada = await hub.connect()
        await hub.connect()
        assert texts == ["What: Client results inside OnConnectedAsync Hub methods are not allowed."] * 4
        assert ada.take() == [called("Hello")]


async def test_a_peer_that_leaves_during_on_connected_is_seen_when_it_returns(notes: Notes) -> None:
    held = notes.hold("on_connected")
    async with life(notes) as hub:
        ada = hub.open()
        ada.send(HANDSHAKE)
        await settle()
        ada.lose()
        await settle()
        assert notes.steps == ["on_connected"]
        held.set()
        await ada.ended()
        assert notes.steps == ["on_connected", "aborted: True", "on_disconnected"]
        hub.assert_nothing_left()


async def test_aborting_in_on_connected_ends_the_connection_in_order(notes: Notes) -> None:
    class Aborting(Life):
        async def on_connected(self) -> None:
            self.context.abort()
            await self.clients.caller.send("TooLate")

    for following in (b"", b'{"type":6}\x1e'):
        async with bench(Aborting, create=lambda: Aborting(notes)) as hub:
            ada = hub.open()
            ada.send(HANDSHAKE + following)
            assert await ada.ended() == [{}, {"type": 7}]
            assert notes.errors == [None]
            notes.errors.clear()


# How it ends


@pytest.mark.statement(145)
async def test_abort_writes_nothing_but_close(notes: Notes) -> None:
    async with life(notes) as hub:
        ada = await hub.connect()
        ada.call("Abort")
        ada.call("Echo", 1)
        assert await ada.ended() == [{"type": 7}]
        assert notes.errors == [None]
        hub.assert_nothing_left()


async def test_a_stream_that_never_waits_learns_of_the_end(notes: Notes) -> None:
    async with life(notes) as hub:
        ada = await hub.connect()
        ada.stream("TokensWithoutAWait", 1)
        items = [{"type": 2, "invocationId": "1", "item": 0}]
        assert await ada.ended() == [*items, {"type": 7}]
        assert notes.items < 100
        hub.assert_nothing_left()


@pytest.mark.statement(146, 147)
@pytest.mark.parametrize("error", [None, "why"])
async def test_a_close_of_the_client_is_answered_without_its_error(notes: Notes, error: str | None) -> None:
    async with life(notes) as hub:
        ada = await hub.connect()
        ada.send({"type": 7} if error is None else {"type": 7, "error": error})
        assert await ada.ended() == [{"type": 7}]
        (seen,) = notes.errors
        assert (seen is None) if error is None else (isinstance(seen, HubError) and str(seen) == error)
        hub.assert_nothing_left()


async def test_the_close_of_a_client_counts_behind_the_calls_it_sent(notes: Notes) -> None:
    """Asked from a running ASP.NET Core server: calls that wait for their turn are still run."""
    held = notes.hold("a")
    async with life(notes) as hub:
        ada = await hub.connect()
        for name in "abc":
            ada.call("Wait", name)
        ada.send({"type": 7}, {"type": 1, "target": "Wait", "arguments": ["never"]})
        await settle()
        assert notes.steps == ["on_connected", "a"]
        held.set()
        assert await ada.ended() == [*[completion(str(n), name) for n, name in enumerate("abc", 1)], {"type": 7}]
        assert notes.steps == ["on_connected", "a", "b", "c", "aborted: True", "on_disconnected"]


async def test_a_client_that_closes_and_leaves_while_its_calls_wait(notes: Notes) -> None:
    notes.hold("a")
    async with life(notes) as hub:
        ada = await hub.connect()
        for name in "ab":
            ada.call("Wait", name)
        ada.send({"type": 7})
        await settle()
        ada.lose()
        await hub.tick(29)
        assert not ada.task.done()
        await hub.tick(1)
        assert ada.task.done()
        assert notes.errors == [None]


@pytest.mark.statement(105)
@pytest.mark.parametrize(
    ("bad", "text"),
    [
        ({"type": 1}, " InvalidDataException: Missing required property 'target'."),
        (
            {"type": 1, "target": "x" * 40_000, "arguments": []},
            " InvalidDataException: The maximum message size of 32768B was exceeded. "
            "The message size can be configured in AddHubOptions.",
        ),
    ],
)
@pytest.mark.parametrize("detailed", [False, True])
async def test_messages_before_a_bad_one_are_answered(
    notes: Notes, bad: dict[str, Any], text: str, detailed: bool
) -> None:
    async with life(notes, detailed_errors=detailed) as hub:
        ada = await hub.connect()
        echo = {"type": 1, "target": "Echo", "arguments": [5]}
        ada.send({**echo, "invocationId": "1"}, {**echo, "invocationId": "2"}, bad)
        close = {"type": 7, "error": CLOSED_WITH_ERROR + (text if detailed else ""), "allowReconnect": True}
        assert await ada.ended() == [completion("1", 5), completion("2", 5), close]
        (error,) = notes.errors
        assert isinstance(error, RemoteProtocolError)


async def test_a_peer_that_goes_away(notes: Notes) -> None:
    async with life(notes) as hub:
        ada = await hub.connect()
        ada.transport.lose(ConnectionClosed())  # gone, but the way back is still open
        assert await ada.ended() == [{"type": 7, "allowReconnect": True}]
        assert notes.errors == [None]
        hub.assert_nothing_left()


@pytest.mark.statement(106)
async def test_a_peer_that_goes_away_in_the_middle_of_a_message(notes: Notes) -> None:
    async with life(notes) as hub:
        ada = await hub.connect()
        ada.send(b'{"type":1,')
        await settle()
        ada.transport.lose(ConnectionClosed())
        assert await ada.ended() == [{"type": 7, "error": CLOSED_WITH_ERROR, "allowReconnect": True}]
        (error,) = notes.errors
        assert str(error) == "Connection terminated while reading a message."


@pytest.mark.parametrize(
    "error", [SlowConsumerError("c1", queued=2, capacity=1), SendTimeout("c1", timeout=10)], ids=repr
)
async def test_a_transport_that_gave_up_tells_on_disconnected_why(notes: Notes, error: ConnectionClosed) -> None:
    async with life(notes) as hub:
        ada = await hub.connect()
        ada.lose(error)
        assert await ada.ended() == []
        assert notes.errors == [error]


@pytest.mark.statement(186)
async def test_an_identity_that_expires_is_a_normal_end_with_a_way_back(notes: Notes) -> None:
    async with life(notes) as hub:
        ada = await hub.connect()
        ada.transport.lose(ConnectionClosed("the identity expired", allow_reconnect=True))
        assert await ada.ended() == [{"type": 7, "allowReconnect": True}]
        assert notes.errors == [None]


@pytest.mark.statement(148)
async def test_the_order_of_the_end(notes: Notes) -> None:
    """Close, abort signal, on_disconnected, upload streams, groups."""
    held = notes.hold("on_disconnected")
    async with life(notes, maximum_parallel_invocations=3) as hub:
        ada = await hub.connect()
        ada.call("Join", "g")
        ada.call("UntilAborted")
        ada.call("UntilCancelled")
        ada.send({"type": 1, "target": "UntilCancelled", "arguments": []})
        ada.call("Read", streams=["u"])
        ada.stream("Tokens")
        await settle()
        ada.take()
        ada.send({"type": 7})
        await settle()
        assert ada.take() == [{"type": 7}]
        assert notes.steps[:2] == ["on_connected", "waiting"]
        assert [step for step in notes.steps if step.endswith(("True", "connected"))] == [
            "on_connected",
            "aborted: True",
            "on_disconnected",
        ]
        told = ["saw the abort", "stream closed", "was cancelled", "was cancelled"]
        assert sorted(step for step in notes.steps[2:] if step in told) == told
        assert hub.runtime.fanout.statistics()["groups"] == 1
        held.set()
        await ada.ended()
        await settle()
        assert notes.steps[8:] == ["upload: ConnectionClosed('The underlying connection was closed.')"]
        hub.assert_nothing_left()


@pytest.mark.statement(137)
async def test_uploads_fail_when_the_connection_is_lost(notes: Notes) -> None:
    async with life(notes) as hub:
        ada = await hub.connect()
        ada.call("Read", streams=["u"])
        ada.send({"type": 2, "invocationId": "u", "item": 1})
        await settle()
        ada.lose()
        await ada.ended()
        await settle()
        assert notes.steps[-1] == "upload: ConnectionClosed('The underlying connection was closed.')"
        hub.assert_nothing_left()


async def test_calls_that_were_sent_before_the_line_was_cut_still_run(notes: Notes) -> None:
    held = notes.hold("a")
    async with life(notes) as hub:
        ada = await hub.connect()
        ada.call("Wait", "a")
        ada.call("Wait", "b")
        await settle()
        ada.lose()
        await settle()
        assert not ada.task.done()
        held.set()
        await ada.ended()
        assert notes.steps == ["on_connected", "a", "b", "aborted: True", "on_disconnected"]
        hub.assert_nothing_left()


async def test_calls_that_wait_behind_one_that_does_not_end_are_given_up_with_the_client(notes: Notes) -> None:
    held = notes.hold("a")
    async with life(notes) as hub:
        ada = await hub.connect()
        ada.call("Wait", "a")
        ada.call("Wait", "b")
        await settle()
        ada.lose()
        await hub.tick(30)
        await ada.ended()
        held.set()
        await settle()
        assert notes.steps == ["on_connected", "a", "aborted: True", "on_disconnected"]
        hub.assert_nothing_left()


async def test_an_exception_in_on_disconnected_faults_the_connection_after_everything_else(
    notes: Notes, caplog: pytest.LogCaptureFixture
) -> None:
    notes.failing["on_disconnected"] = RuntimeError("broken")
    async with life(notes) as hub:
        ada = await hub.connect()
        ada.call("Read", streams=["u"])
        await settle()
        ada.send({"type": 7})
        assert await ada.ended() == [{"type": 7}]
        await settle()
        assert str(ada.task.exception()) == "broken"
        assert notes.steps[-1].startswith("upload: ConnectionClosed")
        assert "RuntimeError('broken')" in caplog.text
        hub.assert_nothing_left()


async def test_reading_that_is_paused_goes_on_to_the_end_when_the_connection_is_lost(notes: Notes) -> None:
    notes.hold("item 0")
    async with life(notes) as hub:
        ada = await hub.connect()
        ada.call("Read", streams=["u"])
        for number in range(20):
            ada.send({"type": 2, "invocationId": "u", "item": number})
        await settle()
        ada.lose()
        await settle()
        assert not ada.task.done(), "nobody reads, so nobody notices until the heartbeat"
        await hub.tick(1)
        assert ada.task.done()
        notes.held["item 0"].set()
        await settle()
        assert notes.errors == [None]
        hub.assert_nothing_left()


async def test_closing_from_outside_ends_a_pause(notes: Notes) -> None:
    notes.hold("a")
    async with life(notes, maximum_waiting_invocations=0) as hub:
        ada = await hub.connect()
        ada.call("Wait", "a")
        ada.call("Wait", "b")
        await settle()
        hub.runtime.fanout._index.connections[ada.id].close(allow_reconnect=True)
        assert await ada.ended() == [{"type": 7, "allowReconnect": True}]


async def test_the_first_reason_to_close_counts(notes: Notes) -> None:
    async with life(notes) as hub:
        ada = await hub.connect()
        connection = hub.runtime.fanout._index.connections[ada.id]
        connection.close(error="first", allow_reconnect=True)
        connection.close(error="second")
        ada.send({"type": 7, "error": "third"})
        assert await ada.ended() == [{"type": 7, "error": "first", "allowReconnect": True}]
        assert notes.errors == [None]


# Time


@pytest.mark.statement(166, 167)
async def test_pings_come_every_fifteen_seconds_whatever_else_is_written(notes: Notes) -> None:
    async with life(notes) as hub:
        ada = await hub.connect()
        for second in range(1, 61):
            ada.call("Echo", second)
            await hub.tick(1)
            pings = [message for message in ada.take() if message == {"type": 6}]
            assert len(pings) == (second % 15 == 0), second
        assert not ada.task.done(), "and a client that never pings is never timed out"


@pytest.mark.statement(71, 101)
async def test_no_pings_where_the_transport_shows_life_and_ping_bytes_of_each_codec(notes: Notes) -> None:
    async with life(notes) as hub:
        polling = await hub.connect(inherent_keep_alive=True)
        json, packed = await hub.connect(), await hub.connect(codec="messagepack")
        await hub.tick(20)
        assert list(polling.transport.written) == []
        assert list(json.transport.written) == [b'{"type":6}\x1e']
        assert list(packed.transport.written) == [b"\x02\x91\x06"]


@pytest.mark.statement(168)
@pytest.mark.parametrize("detailed", [False, True])
async def test_silence_after_a_ping_ends_the_connection(notes: Notes, detailed: bool) -> None:
    """The texts were asked from a running ASP.NET Core server with a short client timeout."""
    async with life(notes, detailed_errors=detailed, keep_alive_interval=1000) as hub:
        ada = await hub.connect(inherent_keep_alive=True)
        ada.send({"type": 6})
        await hub.tick(29)
        assert not ada.task.done()
        ada.call("Echo", 1)
        await hub.tick(29)
        assert ada.take() == [completion("1", 1)]
        await hub.tick(1)
        sentence = "Client hasn't sent a message/ping within the configured ClientTimeoutInterval."
        error = CLOSED_WITH_ERROR + (f" OperationCanceledException: {sentence}" if detailed else "")
        assert await ada.ended() == [{"type": 7, "error": error, "allowReconnect": True}]
        (seen,) = notes.errors
        assert isinstance(seen, KeepAliveTimeout)
        assert str(seen) == sentence


@pytest.mark.statement(169)
async def test_a_connection_whose_reading_is_paused_is_not_silent(notes: Notes) -> None:
    notes.hold("item 0")
    async with life(notes) as hub:
        ada = await hub.connect()
        ada.send({"type": 6})
        ada.call("Read", streams=["u"])
        for number in range(12):
            ada.send({"type": 2, "invocationId": "u", "item": number})
        await hub.tick(100)
        assert not ada.task.done()


# Cancelled at each await


async def at_each_await(notes: Notes, hub: Bench, phase: str) -> Line:
    """A connection whose task has come to this await."""
    ada = hub.open("ada")
    if phase == "the handshake":
        await settle()
        return ada
    if phase == "on_connected":
        notes.hold("on_connected")
    ada.send(HANDSHAKE)
    await settle()
    if phase == "on_connected":
        return ada
    ada.take()
    ada.call("Join", "g")
    ada.stream("Tokens")
    await settle()
    ada.take()
    if phase == "a pause":
        notes.hold("item 0")
        ada.call("Read", streams=["u"])
        for number in range(20):
            ada.send({"type": 2, "invocationId": "u", "item": number})
    elif phase == "calls before a close":
        notes.hold("a")
        ada.call("Wait", "a")
        ada.call("Wait", "b")
        ada.send({"type": 7})
    elif phase == "on_disconnected":
        notes.hold("on_disconnected")
        ada.send({"type": 7})
    await settle()
    return ada


PHASES = ["the handshake", "on_connected", "reading", "a pause", "calls before a close", "on_disconnected"]


@pytest.mark.parametrize("phase", PHASES)
async def test_cancelling_the_task_at_each_await_runs_the_end_once_and_leaves_nothing(notes: Notes, phase: str) -> None:
    async with life(notes) as hub:
        ada = await at_each_await(notes, hub, phase)
        ada.task.cancel()
        await settle()
        for held in notes.held.values():
            held.set()
        await ada.ended()
        await settle()
        assert ada.task.cancelled()
        assert notes.steps.count("on_disconnected") == (phase not in ("the handshake", "on_connected"))
        if phase not in ("the handshake", "on_connected"):
            assert "stream closed" in notes.steps
        hub.assert_nothing_left()


@pytest.mark.parametrize("phase", PHASES)
async def test_losing_the_connection_at_each_await_runs_the_end_once_and_leaves_nothing(
    notes: Notes, phase: str
) -> None:
    async with life(notes) as hub:
        ada = await at_each_await(notes, hub, phase)
        ada.lose()
        await hub.tick(1)
        for held in notes.held.values():
            held.set()
        await ada.ended()
        await settle()
        assert notes.steps.count("on_disconnected") == (phase != "the handshake")
        hub.assert_nothing_left()


async def test_cancelling_twice_during_the_end_does_not_stop_it(notes: Notes) -> None:
    held = notes.hold("on_disconnected")
    async with life(notes) as hub:
        ada = await hub.connect()
        for _ in range(2):
            ada.task.cancel()
            await settle()
        assert ada.task.done()
        assert ada.take() == [{"type": 7, "allowReconnect": True}]
        held.set()
        await settle()
        assert notes.steps.count("on_disconnected") == 1
        hub.assert_nothing_left()


async def test_hub_code_that_waits_for_the_end_learns_it_even_when_on_connected_is_cancelled() -> None:
    waiting: list[asyncio.Task[None]] = []

    class Spawning(Hub):
        async def on_connected(self) -> None:
            waiting.append(asyncio.create_task(self.context.aborted.wait()))
            await asyncio.Event().wait()

    async with bench(Spawning) as hub:
        ada = hub.open()
        ada.send(HANDSHAKE)
        await settle()
        ada.task.cancel()
        await settle()
        assert waiting[0].done()


# Filters


async def test_filters_wrap_both_ends() -> None:
    steps: list[str] = []

    class Around(HubFilter):
        def __init__(self, name: str) -> None:
            self.name = name

        async def connected(self, hub: Hub[Any], next: Any) -> None:
            steps.append(f"{self.name} connects {hub.context.connection_id}")
            await next()
            steps.append(f"{self.name} connected")

        async def disconnected(self, hub: Hub[Any], error: Exception | None, next: Any) -> None:
            steps.append(f"{self.name} disconnects: {error}")
            await next(HubError(self.name))
            steps.append(f"{self.name} disconnected")

    class Plain(Hub):
        async def on_connected(self) -> None:
            steps.append("on_connected")

        async def on_disconnected(self, error: Exception | None) -> None:
            steps.append(f"on_disconnected: {error}")

    async with bench(Plain, filters=[Around("outer"), HubFilter(), Around("inner")]) as hub:
        ada = await hub.connect()
        ada.send({"type": 7})
        await ada.ended()
        assert steps == [
            "outer connects c1",
            "inner connects c1",
            "on_connected",
            "inner connected",
            "outer connected",
            "outer disconnects: None",
            "inner disconnects: outer",
            "on_disconnected: inner",
            "inner disconnected",
            "outer disconnected",
        ]


async def test_acks_sequences_and_pings_mean_nothing(notes: Notes) -> None:
    async with life(notes) as hub:
        ada = await hub.connect()
        ada.send({"type": 8, "sequenceId": 1}, {"type": 9, "sequenceId": 1}, {"type": 6}, {"type": 42})
        assert await ada.result("Echo", 1) == 1


@pytest.mark.statement(187)
async def test_the_user_of_a_connection_stays_when_its_identity_changes(notes: Notes) -> None:
    async with life(notes) as hub:
        ada = await hub.connect("ada")
        connection = hub.runtime.fanout._index.connections[ada.id]
        ada.transport.scope.identity = Identity("bob")
        assert connection.context.identity == Identity("bob")
        assert (connection.user_id, connection.context.user_id) == ("ada", "ada")
        ada.send({"type": 7})
        await ada.ended()
        hub.assert_nothing_left()


@pytest.mark.statement(145)
@pytest.mark.parametrize("target", ["Abort", "AbortFromALoopOfItsOwn"])
async def test_aborting_from_a_worker_thread(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    main = threading.current_thread()
    threads: list[threading.Thread] = []

    class Threaded(Hub):
        def abort(self) -> None:
            self.context.abort()

        def abort_from_a_loop_of_its_own(self) -> None:
            async def abort() -> None:
                self.context.abort()

            asyncio.run(abort())

    async with bench(Threaded) as hub:
        ada = await hub.connect()
        end_input = ada.transport.end_input

        def noted() -> None:
            threads.append(threading.current_thread())
            end_input()

        monkeypatch.setattr(ada.transport, "end_input", noted)
        ada.call(target)
        assert [message for message in await ada.ended() if message["type"] == 7] == [{"type": 7}]
        assert threads == [main]


# Every turn of the loop


async def scenario(hub: Bench) -> Line:
    """A connection with calls, a stream and an upload that is full: everything the loop does for one."""
    ada = hub.open("ada")
    ada.send(HANDSHAKE)
    ada.call("Join", "g")
    ada.call("UntilCancelled")
    ada.call("Echo", 1)
    ada.stream("Tokens")
    ada.call("Read", streams=["u"])
    for number in range(20):
        ada.send({"type": 2, "invocationId": "u", "item": number})
    return ada


@pytest.mark.parametrize("how", ["cancelled", "lost", "closed", "aborted"])
async def test_whatever_happens_in_whichever_turn_of_the_loop_the_end_runs_once(how: str) -> None:
    for turn in range(20):  # the last message is handled in the twelfth
        notes = Notes()
        async with life(notes, stream_buffer_capacity=2) as hub:
            ada = await scenario(hub)
            for _ in range(turn):
                await asyncio.sleep(0)
            connection = hub.runtime.fanout._index.connections.get(ada.id)
            if how == "cancelled":
                ada.task.cancel()
            elif how == "lost":
                ada.lose()
            elif how == "closed":
                ada.send({"type": 7})
            elif connection is not None:
                connection.abort()
            await hub.tick(1)
            for left in list(hub.runtime.fanout._index.connections.values()):
                left.abort()  # a Close waits behind the call that runs
            ada.lose()
            await ada.ended()
            await settle()
            connected = "on_connected" in notes.steps
            assert notes.steps.count("on_disconnected") == connected, (how, turn, notes.steps)
            assert notes.steps.count("aborted: True") == connected
            hub.assert_nothing_left()


# Pushed bytes


READ = b'{"type":1,"target":"Read","arguments":[],"streamIds":["s"]}\x1e'
ECHO = b'{"type":1,"invocationId":"9","target":"Echo","arguments":["behind"]}\x1e'


def items(*numbers: int) -> bytes:
    return b"".join(b'{"type":2,"invocationId":"s","item":%d}\x1e' % number for number in numbers)


async def test_pushed_bytes_are_handled_at_once_where_there_is_room(notes: Notes) -> None:
    async with life(notes) as hub:
        ada = await hub.connect()
        assert ada.transport.push(ECHO[:20]) is None
        assert ada.transport.push(ECHO[20:]) is None
        await settle()
        assert ada.take() == [completion("9", "behind")]


async def test_whoever_pushes_is_asked_to_wait_until_all_that_was_read_behind_is_handled(notes: Notes) -> None:
    first, third = notes.hold("item 1"), notes.hold("item 3")
    async with life(notes, stream_buffer_capacity=1) as hub:
        ada = await hub.connect()
        held = ada.transport.push(READ + items(1, 2, 3, 4, 5, 6) + b'{"type":6}\x1e')
        assert held is not None
        await settle()
        assert (notes.steps[-1], held.done()) == ("item 1", False)
        first.set()
        await settle()
        assert (notes.steps[-1], held.done()) == ("item 3", False), "it paused a second time"
        third.set()
        await held
        await settle()
        assert notes.steps[-1] == "item 6"


async def test_what_handling_the_rest_raises_is_told_to_whoever_pushed(
    notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = notes.hold("item 1")
    async with life(notes, stream_buffer_capacity=1) as hub:
        ada = await hub.connect()
        held = ada.transport.push(READ + items(1, 2, 3) + b'{"type":5,"invocationId":"x"}\x1e')
        assert held is not None

        def broken(self: Any, invocation_id: str) -> None:
            raise ValueError("ours")

        monkeypatch.setattr("hubline.server.dispatcher.Dispatcher.cancel", broken)
        first.set()
        with pytest.raises(ValueError, match="ours"):
            await held


async def test_nothing_that_was_pushed_is_handled_when_the_connection_has_ended(notes: Notes) -> None:
    notes.hold("item 1")
    async with life(notes, stream_buffer_capacity=1) as hub:
        ada = await hub.connect()
        held = ada.transport.push(READ + items(1, 2, 3) + ECHO)
        assert held is not None
        hub.runtime.fanout._index.connections[ada.id].close()
        await held
        assert ada.transport.push(ECHO) is None
        notes.held["item 1"].set()
        assert completion("9", "behind") not in await ada.ended()
