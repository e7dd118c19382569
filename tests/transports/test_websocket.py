import asyncio
from collections.abc import Callable

import pytest

from hubline.connection import TransportConnection
from hubline.errors import ConnectionClosed, SendTimeout, SlowConsumerError
from hubline.testing import settle
from hubline.transports.options import TransportOptions
from hubline.transports.outbox import JOINED_WRITE
from hubline.transports.turns import PIECE
from hubline.wire.codec import TransferFormat
from hubline.wire.packet import Packet
from tests.transports.conftest import Sites
from tests.transports.driver import Application, Site, Socket


class Kept:
    """An application that hands out its connection, and ends when told to."""

    def __init__(self) -> None:
        self.connection: TransportConnection
        self.end = asyncio.Event()
        self.failure: Exception | None = None

    async def serve(self, connection: TransportConnection) -> None:
        self.connection = connection
        await self.end.wait()
        if self.failure is not None:
            raise self.failure


async def opened(site: Site, query: str = "") -> Socket:
    socket = site.socket(query)
    await settle()
    return socket


@pytest.mark.statement(39)
async def test_an_upgrade_without_an_id_runs_the_application(site: Site) -> None:
    socket = await opened(site)
    assert socket.sent == [{"type": "websocket.accept"}]
    socket.say("hello")
    await settle()
    assert socket.messages == ["hello"]
    socket.leave()
    await socket.ended()
    assert len(site.registry) == 0


async def test_a_large_message_comes_in_pieces_between_which_others_have_their_turn(sites: Sites) -> None:
    pieces: list[bytes] = []
    seen: list[int] = []

    async def serve(connection: TransportConnection) -> None:
        while True:
            pieces.append(await connection.receive())

    async def bystander() -> None:
        while len(pieces) < 4:
            seen.append(len(pieces))
            await asyncio.sleep(0)

    socket = await opened(sites(serve))
    message = bytes(range(256)) * 200
    socket.say(message)
    socket.say("next")
    await bystander()
    await settle()
    assert [len(piece) for piece in pieces] == [PIECE, PIECE, PIECE, len(message) - 3 * PIECE, 4]
    assert b"".join(pieces) == message + b"next"
    assert {1, 2, 3} <= set(seen)
    socket.leave()
    await socket.ended()


async def test_the_rest_of_a_large_message_is_dropped_when_reading_is_stopped(sites: Sites) -> None:
    pieces: list[bytes] = []

    async def serve(connection: TransportConnection) -> None:
        pieces.append(await connection.receive())
        connection.end_input()
        pieces.append(await connection.receive())

    socket = await opened(sites(serve))
    socket.say(b"x" * (PIECE + 1))
    await socket.ended()
    assert [len(piece) for piece in pieces] == [PIECE]
    assert socket.close_code == 1000


async def test_an_upgrade_with_a_token_uses_the_negotiated_connection(sites: Sites) -> None:
    kept = Kept()
    site = sites(kept.serve)
    token = await site.token()
    socket = await opened(site, f"id={token}&room=1")
    assert kept.connection.id != token
    assert kept.connection.scope.query["room"] == "1"
    assert kept.connection.scope.client == ("192.0.2.1", 4711)
    assert kept.connection.transfer_formats == frozenset(TransferFormat)
    assert not kept.connection.has_inherent_keep_alive
    kept.end.set()
    await socket.ended()


@pytest.mark.statement(41)
async def test_a_second_upgrade_on_a_live_connection_is_refused(site: Site) -> None:
    token = await site.token()
    first = await opened(site, f"id={token}")
    second = await site.socket(f"id={token}").ended()
    assert second.sent[0]["status"] == 409
    assert second.sent[1]["body"] == b""
    assert (b"content-type", b"text/plain") in second.sent[0]["headers"]
    first.say("still here")
    await settle()
    assert first.messages == ["still here"]
    first.leave()
    await first.ended()
    gone = await site.socket(f"id={token}").ended()
    assert gone.sent[0]["status"] == 404


@pytest.mark.statement(42, 43)
async def test_frames_are_text_until_another_transfer_format_is_in_use(sites: Sites) -> None:
    kept = Kept()
    socket = await opened(sites(kept.serve))
    kept.connection.write(Packet(b"{}\x1e"))
    await settle()
    kept.connection.use(TransferFormat.BINARY)
    kept.connection.write(Packet(b"\x02\x91\x06"))
    await settle()
    assert socket.messages == ["{}\x1e", b"\x02\x91\x06"]
    kept.end.set()
    await socket.ended()


async def test_bytes_that_are_no_text_travel_as_bytes(site: Site) -> None:
    socket = await opened(site)
    socket.say(b"\xff\x00")
    await settle()
    assert socket.messages == [b"\xff\x00"]
    socket.leave()
    await socket.ended()


@pytest.mark.statement(44)
async def test_the_type_of_an_incoming_frame_means_nothing(site: Site) -> None:
    socket = await opened(site)
    for data in ("text", b"bytes", "", b""):
        socket.say(data)
    socket.incoming.put_nowait({"type": "websocket.receive", "bytes": None, "text": "both keys"})
    await settle()
    assert "".join(str(each) for each in socket.messages) == "textbytesboth keys"
    socket.leave()
    await socket.ended()


@pytest.mark.statement(45, 46)
async def test_boundaries_of_incoming_messages_mean_nothing(sites: Sites) -> None:
    read: list[bytes] = []

    async def serve(connection: TransportConnection) -> None:
        while True:
            read.append(await connection.receive())

    socket = await opened(sites(serve))
    for data in ('{"type"', ":6}\x1e" + '{"type":6}\x1e', b'{"type":7}\x1e'):
        socket.say(data)
    socket.leave()
    await socket.ended()
    assert b"".join(read) == b'{"type":6}\x1e{"type":6}\x1e{"type":7}\x1e'


@pytest.mark.statement(47)
async def test_one_frame_holds_whole_packets_up_to_64_kib(sites: Sites) -> None:
    kept = Kept()
    socket = await opened(sites(kept.serve))
    packets = [str(number % 10) * 30_000 for number in range(5)] + ["x" * 100_000, "y"]
    for each in packets:
        kept.connection.write(Packet(each.encode()))
    await settle()
    assert socket.messages == [packets[0] + packets[1], packets[2] + packets[3], packets[4], packets[5], packets[6]]
    assert all(len(each) <= JOINED_WRITE or each == packets[5] for each in socket.messages)
    kept.end.set()
    await socket.ended()


@pytest.mark.statement(48)
async def test_the_end_of_the_application_writes_what_is_left_and_closes_with_1000(sites: Sites) -> None:
    kept = Kept()
    socket = await opened(sites(kept.serve))
    kept.connection.write(Packet(b"bye"))
    kept.end.set()
    await socket.ended()
    assert socket.sent[1:] == [
        {"type": "websocket.send", "text": "bye"},
        {"type": "websocket.close", "code": 1000, "reason": ""},
    ]


@pytest.mark.statement(49)
async def test_an_exception_of_the_application_closes_with_1011(sites: Sites, caplog: pytest.LogCaptureFixture) -> None:
    kept = Kept()
    site = sites(kept.serve)
    socket = await opened(site)
    kept.failure = ValueError("secret detail")
    kept.connection.write(Packet(b"bye"))
    kept.end.set()
    await socket.ended()
    assert socket.sent[1:] == [
        {"type": "websocket.send", "text": "bye"},
        {"type": "websocket.close", "code": 1011, "reason": ""},
    ]
    assert "secret detail" in caplog.text
    assert kept.connection.id in caplog.text


async def test_an_application_that_lets_the_end_of_input_through_has_not_failed(sites: Sites) -> None:
    async def serve(connection: TransportConnection) -> None:
        connection.end_input()
        await connection.receive()

    socket = await sites(serve).socket().ended()
    assert socket.close_code == 1000


@pytest.mark.parametrize("code", [1000, 1005, 1006, 4321])
async def test_when_the_peer_leaves_the_application_reads_its_end_and_nothing_is_sent(sites: Sites, code: int) -> None:
    ended: list[ConnectionClosed] = []

    async def serve(connection: TransportConnection) -> None:
        for _ in range(2):
            with pytest.raises(ConnectionClosed) as caught:
                await connection.receive()
            ended.append(caught.value)
        assert connection.lost
        assert not connection.write(Packet(b"too late"))

    socket = await opened(sites(serve))
    socket.leave(code)
    await socket.ended()
    assert len(ended) == 2
    assert type(ended[0]) is ConnectionClosed
    assert socket.sent == [{"type": "websocket.accept"}]


async def test_end_input_wakes_a_waiting_receive_and_writing_goes_on(sites: Sites) -> None:
    async def serve(connection: TransportConnection) -> None:
        asyncio.get_running_loop().call_soon(connection.end_input)
        for _ in range(2):
            with pytest.raises(ConnectionClosed):
                await connection.receive()
        connection.write(Packet(b"last words"))
        await connection.drain()

    socket = await sites(serve).socket().ended()
    assert socket.messages == ["last words"]
    assert socket.close_code == 1000


async def test_end_input_before_receive_wins_over_data_that_waits(sites: Sites) -> None:
    read: list[bytes] = []

    async def serve(connection: TransportConnection) -> None:
        await asyncio.sleep(0)
        connection.end_input()
        read.append(await connection.receive())

    socket = sites(serve).socket()
    socket.say("data")
    await socket.ended()
    assert read == []


async def test_abort_loses_what_is_queued_and_gives_the_reason(sites: Sites) -> None:
    reasons: list[ConnectionClosed] = []

    async def serve(connection: TransportConnection) -> None:
        connection.write(Packet(b"lost"))
        connection.abort(ValueError("boom"))
        connection.abort(ValueError("second"))
        assert not connection.write(Packet(b"dropped"))
        try:
            await connection.receive()
        except ConnectionClosed as error:
            reasons.append(error)

    socket = await sites(serve).socket().ended()
    assert socket.messages == []
    assert [(str(each), str(each.__cause__)) for each in reasons] == [("boom", "boom")]


@pytest.mark.statement(51)
async def test_a_peer_that_stops_reading_is_given_up_after_the_send_timeout(sites: Sites) -> None:
    reasons: list[Exception] = []

    async def serve(connection: TransportConnection) -> None:
        try:
            while True:
                connection.write(Packet(await connection.receive()))
        except ConnectionClosed as error:
            reasons.append(error)

    site = sites(serve)
    stuck, bystander = await opened(site), await opened(site)
    stuck.reads.clear()
    stuck.say("data")
    await site.clock.advance(10)
    bystander.say("still quick")
    await settle()
    assert bystander.messages == ["still quick"]
    assert reasons == []
    await site.clock.advance(1)
    assert isinstance(reasons[0], SendTimeout)
    assert reasons[0].allow_reconnect
    await site.clock.advance(5)
    await stuck.ended()
    assert stuck.close_code is None, "it could not be told"
    bystander.leave()
    await bystander.ended()


@pytest.mark.statement(50)
async def test_a_close_that_does_not_get_through_is_given_up_after_5_seconds(sites: Sites) -> None:
    kept = Kept()
    site = sites(kept.serve)
    socket = await opened(site)
    socket.reads.clear()
    kept.end.set()
    await site.clock.advance(4)
    assert not socket.task.done()
    await site.clock.advance(1)
    await socket.ended()
    assert len(site.registry) == 0


@pytest.mark.parametrize("failure", [OSError("gone"), RuntimeError("closed")])
async def test_a_server_that_fails_to_send_means_the_peer_is_gone(sites: Sites, failure: Exception) -> None:
    site = sites()
    socket = await opened(site)
    socket.failure = failure
    socket.say("x")
    await socket.ended()
    assert len(site.registry) == 0
    assert socket.close_code is None


async def test_a_peer_that_leaves_before_it_is_accepted(sites: Sites) -> None:
    site = sites()
    socket = site.socket()
    socket.failure = OSError("gone")
    await socket.ended()
    assert len(site.registry) == 0


@pytest.mark.parametrize("failure", [OSError("gone"), RuntimeError("closed")])
async def test_a_close_that_fails_does_no_harm(sites: Sites, failure: Exception) -> None:
    kept = Kept()
    socket = await opened(sites(kept.serve))
    socket.failure = failure
    kept.end.set()
    await socket.ended()
    assert socket.close_code is None


async def test_a_slow_reader_costs_a_bounded_amount_and_delays_nobody(sites: Sites) -> None:
    connections: list[TransportConnection] = []
    reasons: list[Exception] = []

    async def serve(connection: TransportConnection) -> None:
        connections.append(connection)
        try:
            await connection.receive()
        except ConnectionClosed as error:
            reasons.append(error)

    site = sites(serve, options=TransportOptions(outbox_capacity=200_000))
    slow, quick = await opened(site), await opened(site)
    slow.reads.clear()
    packet = Packet(b"x" * 1000)
    for _ in range(2000):
        for connection in connections:
            connection.write(packet)
        await asyncio.sleep(0)
    await settle()
    assert sum(len(each) for each in quick.messages) == 2_000_000
    assert isinstance(reasons[0], SlowConsumerError)
    assert reasons[0].queued <= 200_000
    pipe = next(iter(site.registry))
    assert pipe.outbox.statistics().peak_bytes <= 200_000
    assert pipe.outbox.statistics().queued_messages == 0, "nothing is kept for a connection that was given up"
    await site.clock.advance(5)
    await slow.ended()
    quick.say("bye")
    await quick.ended()


@pytest.mark.statement(52)
async def test_no_ping_frame_and_nothing_else_is_sent_on_an_idle_connection(site: Site) -> None:
    socket = await opened(site)
    await site.clock.advance(120)
    assert socket.sent == [{"type": "websocket.accept"}]
    assert len(site.registry.tasks) == 1, "the heartbeat, and no task of the connection's own"
    socket.leave()
    await socket.ended()


async def reads(connection: TransportConnection) -> None:
    await connection.receive()


async def writes(connection: TransportConnection) -> None:
    connection.write(Packet(b"x"))
    await connection.receive()


async def drains(connection: TransportConnection) -> None:
    while connection.write(Packet(b"x" * 1000)):
        pass
    await connection.drain()


async def returns(connection: TransportConnection) -> None:
    connection.write(Packet(b"x"))


async def closes(connection: TransportConnection) -> None:
    """Nothing to write: the next thing is the close."""


@pytest.mark.parametrize("blocked", [False, True])
@pytest.mark.parametrize("serve", [reads, writes, drains, returns, closes])
async def test_cancelling_the_server_task_at_each_await_leaves_nothing(
    sites: Sites, serve: Application, blocked: bool
) -> None:
    site = sites(serve)
    for steps in range(12):
        socket = site.socket()
        for step in range(steps):
            if blocked and step == 3:
                socket.reads.clear()
            await asyncio.sleep(0)
        finished = socket.task.done()
        socket.task.cancel()
        await asyncio.wait([socket.task])
        assert socket.task.cancelled() or finished or socket.task.exception() is None
        await settle()
        assert len(site.registry) == 0


@pytest.mark.parametrize("first", ["cancel", "abort", "end_input"])
async def test_a_cancellation_together_with_an_end_is_a_cancellation(sites: Sites, first: str) -> None:
    kept: list[TransportConnection] = []

    async def serve(connection: TransportConnection) -> None:
        kept.append(connection)
        await connection.receive()

    site = sites(serve)
    socket = await opened(site)
    actions: dict[str, Callable[[], object]] = {
        "cancel": socket.task.cancel,
        "abort": kept[0].abort,
        "end_input": kept[0].end_input,
    }
    actions.pop(first)()
    for action in actions.values():
        action()
    await asyncio.wait([socket.task])
    assert socket.task.cancelled()
    assert len(site.registry) == 0
