"""The accelerated path without a server: real sessions, outboxes and flusher over a channel that a test plays."""

import asyncio
import math
from collections.abc import Callable
from typing import Any

import pytest

from hubline import _bursts
from hubline._bursts import let_others_within_a_burst
from hubline.errors import ConnectionClosed, SendTimeout, SendTooLarge
from hubline.extensions import ChannelReader, ChannelWriter, frame_channel
from hubline.testing import ManualClock, settle
from hubline.transports import frame_transport
from hubline.transports.frame_transport import Flusher, FrameInput, FrameWriter
from hubline.transports.options import TransportOptions
from hubline.transports.outbox import HIGH_WATER, JOINED_WRITE
from hubline.transports.registry import ConnectionRegistry
from hubline.transports.session import Session
from hubline.transports.turns import PIECE
from hubline.wire.codec import TransferFormat
from hubline.wire.packet import Packet
from tests.transports.driver import Site, Socket

TEXT, BINARY = TransferFormat.TEXT, TransferFormat.BINARY
LIMIT = 32_767
"""What the channel of `hubline.servers` has."""


class FakeChannel:
    """Notes frames. While `stuck`, it buffers them and asks to wait as a transport does, from within `write()`."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self.frames: list[bytes] = []
        self.stuck = False
        self.reading = True
        self.reader: ChannelReader
        self.writer: ChannelWriter
        self._buffered = 0
        self._full = False
        self.closed_by_peer = False

    def take(self, reader: ChannelReader, writer: ChannelWriter) -> None:
        self.reader, self.writer = reader, writer

    def write(self, frame: bytes) -> None:
        self.frames.append(frame)
        if self.stuck:
            self._buffered += len(frame)
            if self._buffered > self.limit and not self._full:
                self._full = True
                self.writer.pause_writing()

    def buffered(self) -> int:
        return self._buffered

    def flow(self, left: int = 0) -> None:
        """All but `left` bytes reach the kernel."""
        self._buffered = left
        if self._full and left <= self.limit // 2:
            self._full = False
            self.writer.resume_writing()

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def take_frames(self) -> list[bytes]:
        found, self.frames = self.frames, []
        return found


class Line:
    """One connection: its session, with a channel below it."""

    def __init__(self, registry: ConnectionRegistry, *, limit: int = LIMIT, **options: Any) -> None:
        self.channel = FakeChannel(limit)
        self.session = Session(
            connection_id="id", token="token", options=TransportOptions(**options), clock=ManualClock()
        )
        self.outbox = self.session.outbox
        self.lefts = 0
        self.input = FrameInput(self.channel, registry.flusher(), self._left)
        self.session.input = self.input
        self.writer = FrameWriter(self.session, self.outbox, self.channel, registry.flusher())
        self.channel.take(self.input, self.writer)
        self.session.attach(self)

    def _left(self, said_goodbye: bool) -> None:
        self.lefts += 1

    @property
    def ready(self) -> bool:
        return self.writer.ready

    def wake(self) -> None:
        self.writer.wake()

    def finish(self, well: bool) -> None: ...

    def abandon(self) -> None:
        self.writer.cancel()

    async def make_way(self) -> None: ...

    def put(self, *payloads: bytes) -> list[bool]:
        return [self.session.write(Packet(payload)) for payload in payloads]


class Consumer:
    """Notes what it is fed. Asks to wait on messages that begin with "hold", and fails on "fail"."""

    def __init__(self) -> None:
        self.fed: list[bytes] = []
        self.held: asyncio.Future[None] | None = None

    def __call__(self, payload: bytes) -> asyncio.Future[None] | None:
        self.fed.append(payload)
        if payload.startswith(b"fail"):
            raise ValueError("the consumer's own")
        if payload.startswith(b"hold"):
            self.held = asyncio.get_running_loop().create_future()
            return self.held
        return None

    def release(self) -> None:
        assert self.held is not None
        self.held.set_result(None)


@pytest.fixture
async def registry() -> ConnectionRegistry:
    return ConnectionRegistry(TransportOptions(), ManualClock())


@pytest.fixture
async def line(registry: ConnectionRegistry) -> Line:
    return Line(registry)


async def turn() -> None:
    """One turn of the loop: what is scheduled now has run, and what that has scheduled has not."""
    await asyncio.sleep(0)


def consuming(line: Line) -> tuple[Consumer, "asyncio.Task[None]"]:
    consumer = Consumer()
    return consumer, asyncio.get_running_loop().create_task(line.session.consume(consumer))


# Reading


async def test_messages_are_fed_from_within_the_call_of_the_parser(line: Line) -> None:
    consumer, task = consuming(line)
    await turn()
    line.input.received(b"a")
    line.input.received(b"b")
    assert consumer.fed == [b"a", b"b"]
    assert line.channel.reading
    line.input.left()
    with pytest.raises(ConnectionClosed):
        await task
    assert line.lefts == 1


async def test_a_consumer_that_comes_late_is_fed_everything_in_order_with_turns_for_others(line: Line) -> None:
    line.input.received(b"a")
    assert not line.channel.reading
    line.input.received(b"b")
    consumer, task = consuming(line)
    await turn()
    assert consumer.fed == [b"a"]
    line.input.received(b"c")
    await turn()
    assert consumer.fed == [b"a", b"b"]
    await settle()
    assert consumer.fed == [b"a", b"b", b"c"]
    assert line.channel.reading
    line.input.received(b"d")
    assert consumer.fed[3:] == [b"d"]
    line.input.left()
    with pytest.raises(ConnectionClosed):
        await task


async def test_nothing_is_fed_while_the_consumer_holds(line: Line) -> None:
    consumer, task = consuming(line)
    await turn()
    line.input.received(b"hold 1")
    assert not line.channel.reading
    line.input.received(b"hold 2")  # had been read already
    line.input.received(b"c")
    await settle()
    assert consumer.fed == [b"hold 1"]
    consumer.release()
    await settle()
    assert consumer.fed == [b"hold 1", b"hold 2"]
    assert not line.channel.reading
    consumer.release()
    await settle()
    assert consumer.fed == [b"hold 1", b"hold 2", b"c"]
    assert line.channel.reading
    line.input.left()
    with pytest.raises(ConnectionClosed):
        await task


async def test_a_large_message_comes_in_pieces_between_which_others_have_their_turn(
    registry: ConnectionRegistry, line: Line
) -> None:
    other = Line(registry)
    consumer, task = consuming(line)
    bystander, other_task = consuming(other)
    await turn()
    message = bytes(range(256)) * 200
    line.input.received(message)
    line.input.received(b"next")
    seen = [len(consumer.fed)]
    while len(consumer.fed) < 5:
        other.input.received(b"mine")
        await turn()
        seen.append(len(consumer.fed))
    assert seen == [0, 1, 2, 3, 4, 5]
    assert bystander.fed == [b"mine"] * 5
    assert [len(piece) for piece in consumer.fed] == [PIECE, PIECE, PIECE, len(message) - 3 * PIECE, 4]
    assert b"".join(consumer.fed) == message + b"next"
    for each in (line, other):
        each.input.left()
    for ending in (task, other_task):
        with pytest.raises(ConnectionClosed):
            await ending


async def test_who_sends_much_in_small_messages_waits_for_a_turn_too(registry: ConnectionRegistry) -> None:
    lines = [Line(registry) for _ in range(20)]
    tasks = [consuming(each)[1] for each in lines]
    await turn()
    for each in lines:
        each.input.read_much(PIECE)
    assert [each.channel.reading for each in lines] == [True] * 4 + [False] * 16
    for number in range(16):
        await turn()
        assert sum(each.channel.reading for each in lines) == 4 + number + 1
    for each, task in zip(lines, tasks, strict=True):
        each.input.left()
        with pytest.raises(ConnectionClosed):
            await task


async def test_one_that_sends_much_alone_never_waits(line: Line) -> None:
    task = consuming(line)[1]
    await turn()
    for _ in range(10):
        line.input.read_much(PIECE)
        assert line.channel.reading
        await turn()
    line.input.left()
    with pytest.raises(ConnectionClosed):
        await task


async def test_consuming_ends_when_all_that_a_peer_sent_before_it_left_has_been_handled(line: Line) -> None:
    consumer, task = consuming(line)
    await turn()
    line.input.received(b"hold")
    line.input.received(b"last")
    line.input.left()
    await settle()
    assert (line.lefts, task.done()) == (1, False)
    consumer.release()
    with pytest.raises(ConnectionClosed):
        await task
    assert consumer.fed == [b"hold", b"last"]
    assert line.lefts == 1


async def test_what_a_peer_sent_and_left_behind_is_still_received(line: Line) -> None:
    line.input.received(b"a")
    line.input.received(b"b")
    line.input.left()
    assert await line.session.receive() == b"a"
    assert await line.session.receive() == b"b"
    assert not line.channel.reading, "there is nothing to read any more"
    for _ in range(2):
        with pytest.raises(ConnectionClosed):
            await line.session.receive()
    assert line.lefts == 1


async def test_who_waits_for_a_payload_has_it_without_a_pause_and_with_the_next_one_the_peer_must_wait(
    line: Line,
) -> None:
    receiving = asyncio.ensure_future(line.session.receive())
    await turn()
    line.input.received(b"a")
    assert line.channel.reading
    line.input.received(b"b")
    assert not line.channel.reading
    assert await receiving == b"a"
    assert not line.channel.reading
    assert await line.session.receive() == b"b"
    assert line.channel.reading


async def test_a_large_payload_has_the_peer_wait_until_it_is_received(line: Line) -> None:
    receiving = asyncio.ensure_future(line.session.receive())
    await turn()
    line.input.received(bytes(PIECE + 1))
    assert not line.channel.reading
    assert await receiving == bytes(PIECE)
    assert not line.channel.reading
    assert await line.session.receive() == bytes(1)
    assert line.channel.reading


async def test_receiving_waits_until_the_peer_leaves(line: Line) -> None:
    receiving = asyncio.ensure_future(line.session.receive())
    await turn()
    line.input.left()
    with pytest.raises(ConnectionClosed):
        await receiving


async def test_a_receive_that_was_cancelled_loses_nothing(line: Line) -> None:
    receiving = asyncio.ensure_future(line.session.receive())
    await turn()
    receiving.cancel()
    line.input.received(b"a")
    await settle()
    assert await line.session.receive() == b"a"


async def test_closing_while_the_consumer_holds_forgets_what_waits_and_reads_on_for_the_close(line: Line) -> None:
    consumer, task = consuming(line)
    await turn()
    line.input.received(b"hold")
    line.input.received(b"forgotten")
    error = ConnectionClosed("ours")
    line.input.close(error)
    line.input.close(ConnectionClosed("too late"))
    assert line.channel.reading
    with pytest.raises(ConnectionClosed, match="ours"):
        await task
    consumer.release()
    line.input.received(b"unread")
    await settle()
    assert consumer.fed == [b"hold"]
    with pytest.raises(ConnectionClosed, match="ours"):
        await line.session.receive()
    line.input.left()
    assert line.lefts == 1


async def test_closing_when_the_peer_has_left_while_the_consumer_holds_ends_at_once(line: Line) -> None:
    consumer, task = consuming(line)
    await turn()
    line.input.received(b"hold")
    line.input.left()
    line.session.end_input()
    with pytest.raises(ConnectionClosed):
        await task
    assert not line.channel.reading
    consumer.release()
    await settle()
    assert line.lefts == 1


@pytest.mark.parametrize("when", ["at once", "behind a hold", "late"])
async def test_consuming_ends_with_what_the_consumer_raised(line: Line, when: str) -> None:
    if when == "late":
        line.input.received(b"fail")
    consumer, task = consuming(line)
    await turn()
    if when == "at once":
        line.input.received(b"fail")
    elif when == "behind a hold":
        line.input.received(b"hold")
        consumer.release()
        line.input.received(b"fail")
    with pytest.raises(ValueError, match="own"):
        await task
    line.input.received(b"nobody is there")
    await settle()
    assert consumer.fed[-1] == b"fail"


async def test_the_consumer_may_close_and_ask_to_wait_at_once(line: Line) -> None:
    released = asyncio.get_running_loop().create_future()

    def consumer(payload: bytes) -> asyncio.Future[None]:
        line.session.end_input()
        return released

    task = asyncio.get_running_loop().create_task(line.session.consume(consumer))
    await turn()
    line.input.received(b"a")
    with pytest.raises(ConnectionClosed):
        await task
    released.set_result(None)
    await settle()
    line.input.left()
    assert line.lefts == 1


# Writing


async def test_what_waits_for_a_connection_becomes_one_frame_of_the_same_turn(line: Line) -> None:
    line.put(b"a", b"bb", b"ccc")
    assert line.channel.frames == []
    await turn()
    assert line.channel.frames == [b"\x81\x06abbccc"]
    line.session.use(BINARY)
    line.put(b"a", b"\xff")
    await turn()
    assert line.channel.frames[1:] == [b"\x82\x02a\xff"]
    assert line.outbox.statistics().written_messages == 5


async def test_the_answer_to_a_call_leaves_in_the_turn_in_which_the_call_came(line: Line) -> None:
    """The task of a call is scheduled when the message is fed, and the flush behind it."""

    async def call() -> None:
        line.put(b"answer")

    def consumer(payload: bytes) -> None:
        tasks.append(asyncio.get_running_loop().create_task(call()))

    tasks: list[asyncio.Task[None]] = []
    consuming = asyncio.get_running_loop().create_task(line.session.consume(consumer))
    await turn()
    line.input.received(b"call")
    await turn()
    assert line.channel.frames == [b"\x81\x06answer"]
    line.input.left()
    with pytest.raises(ConnectionClosed):
        await consuming


async def test_all_connections_of_a_loop_are_flushed_once_a_turn(
    registry: ConnectionRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    flusher = registry.flusher()
    assert registry.flusher() is flusher
    flushes: list[int] = []
    real = Flusher.flush

    def flush(self: Flusher) -> None:
        flushes.append(len(self.dirty))
        real(self)

    monkeypatch.setattr(Flusher, "flush", flush)
    lines = [Line(registry) for _ in range(5)]
    for _ in range(3):
        for each in lines:
            each.put(b"x")
    await settle()
    assert flushes == [5]
    assert [each.channel.frames for each in lines] == [[b"\x81\x03xxx"]] * 5


async def test_everybody_in_a_broadcast_is_written_the_same_object(registry: ConnectionRegistry) -> None:
    lines = [Line(registry) for _ in range(4)]
    lines[3].session.use(BINARY)
    one, two = Packet(b"one"), Packet(b"two")
    for packet in (one, two):
        for each in lines:
            each.session.write(packet)
    await turn()
    first, second, third, binary = [each.channel.frames[0] for each in lines]
    assert first == b"\x81\x06onetwo"
    assert first is second is third
    assert binary == b"\x82\x06onetwo"


async def test_more_connections_than_a_stride_take_another_turn(
    registry: ConnectionRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame_transport, "FLUSH_STRIDE", 3)
    lines = [Line(registry) for _ in range(7)]
    for each in lines:
        each.put(b"x")
    written: list[int] = []
    for _ in range(3):
        await turn()
        written.append(sum(len(each.channel.frames) for each in lines))
    assert written == [3, 6, 7]


async def test_a_frame_ends_at_the_last_message_that_fits_into_64_kib(line: Line) -> None:
    line.put(*[bytes([97 + number]) * 30_000 for number in range(3)], b"d" * (JOINED_WRITE + 1), b"e")
    await settle()
    assert [len(each) for each in line.channel.frames] == [4 + 60_000, 4 + 30_000, 10, JOINED_WRITE + 1, 3]
    assert line.channel.frames[0][4:] == b"a" * 30_000 + b"b" * 30_000
    assert line.channel.frames[2] == b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x01"


async def test_a_connection_that_is_blocked_is_left_out_and_comes_back_with_everything_once(
    registry: ConnectionRegistry,
) -> None:
    slow, quick = Line(registry, limit=10), Line(registry, limit=10)
    slow.channel.stuck = True
    for number in range(4):
        for each in (slow, quick):
            each.put(b"message %d" % number)
        await turn()
    assert quick.channel.frames == [b"\x81\x09message %d" % number for number in range(4)]
    assert slow.channel.frames == [b"\x81\x09message 0"]
    assert slow.outbox.queued_bytes == 11 + 27, "with the header of what the channel has"
    slow.channel.flow(6)
    await settle()
    assert slow.channel.frames == [b"\x81\x09message 0"]
    slow.channel.flow()
    await turn()
    assert slow.channel.frames[1:] == [b"\x81\x1bmessage 1message 2message 3"]
    assert slow.outbox.statistics().written_messages == 4


async def test_a_channel_may_be_full_and_free_again_with_nothing_in_flight(line: Line) -> None:
    line.writer.pause_writing()
    line.put(b"a")
    await settle()
    assert line.channel.frames == []
    line.writer.resume_writing()
    await turn()
    assert line.channel.frames == [b"\x81\x01a"]


# Writing now


async def test_what_comes_alone_is_written_at_once_and_is_one_frame_for_everybody(registry: ConnectionRegistry) -> None:
    lines, packet = [Line(registry) for _ in range(3)], b"x" * 500
    lines[2].session.use(BINARY)
    for each in lines[:2]:
        assert each.session.write_now(packet)
    assert [each.channel.frames for each in lines] == [[b"\x81\x7e\x01\xf4" + packet]] * 2 + [[]]
    assert lines[0].channel.frames[0] is lines[1].channel.frames[0]
    assert lines[2].session.write_now(b"\xff" * 5)
    assert lines[2].channel.frames == [b"\x82\x05" + b"\xff" * 5]
    lines[1].session.write(packet)
    await turn()
    queued = lines[1].outbox.statistics()
    assert (queued.written_bytes, queued.written_messages, queued.peak_bytes) == (1_000, 2, 500)
    told = lines[0].outbox.statistics()
    assert (told.written_bytes, told.written_messages, told.peak_bytes, told.queued_bytes) == (500, 1, 500, 0)


async def test_nothing_overtakes_what_is_queued(line: Line) -> None:
    line.put(b"a")
    assert line.session.write_now(b"b")
    assert line.channel.frames == []
    await turn()
    assert line.session.write_now(b"c")
    line.put(b"d")
    assert line.session.write_now(b"e")
    await turn()
    assert line.channel.take_frames() == [b"\x81\x02ab", b"\x81\x01c", b"\x81\x02de"]


async def test_what_is_written_at_once_is_on_its_way_until_the_kernel_has_it(registry: ConnectionRegistry) -> None:
    line = Line(registry, limit=100, send_timeout=10.0)
    line.channel.stuck = True
    assert line.session.write_now(b"x" * 200)
    assert (line.outbox.writing, line.outbox.queued_bytes, line.outbox.written) == (True, 204, 0)
    assert line.session.write_now(b"y")
    await settle()
    assert len(line.channel.frames) == 1
    line.channel.stuck = False
    line.channel.flow()
    await settle()
    assert (line.channel.frames[1:], line.outbox.writing, line.outbox.written) == ([b"\x81\x01y"], False, 201)
    line.channel.stuck = True
    line.session.write_now(b"x" * 200)
    for second in (0.0, 9.9):
        line.session.tick(1_000.0 + second)
        assert not line.session.lost
    line.session.tick(1_010.0)
    assert line.session.lost


async def test_what_is_too_large_is_refused_what_is_long_takes_its_turn_and_behind_the_end_nothing_is_written(
    line: Line,
) -> None:
    line.session.use(TEXT, maximum_message=JOINED_WRITE + 100)
    with pytest.raises(SendTooLarge):
        line.session.write_now(b"x" * (JOINED_WRITE + 101))
    line.session.write_now(b"x" * (JOINED_WRITE + 1))
    assert line.channel.frames == []
    await settle()
    assert sum(map(len, line.channel.take_frames())) > JOINED_WRITE
    line.outbox.finish()
    assert not line.session.write_now(b"a")
    await settle()
    assert line.channel.frames == []


# Backpressure


@pytest.mark.parametrize("stuck", [110, 150, 500])
async def test_a_slow_reader_is_cut_off_at_the_promised_number_of_bytes(
    registry: ConnectionRegistry, stuck: int
) -> None:
    line = Line(registry, limit=100, outbox_capacity=1000)
    await _buffer(line, stuck)
    line.put(*[b"x" * 10] * ((1000 - stuck) // 10))
    assert (line.outbox.queued_bytes, line.session.lost) == (1000, False)
    await settle()
    assert line.put(b"y") == [False]
    assert line.session.lost


@pytest.mark.parametrize("stuck", [110, 150, 500])
async def test_the_oldest_are_dropped_at_the_promised_number_of_bytes(registry: ConnectionRegistry, stuck: int) -> None:
    line = Line(registry, limit=100, outbox_capacity=1000, outbox_policy="drop_oldest")
    await _buffer(line, stuck)
    line.put(*[b"x" * 10] * ((1000 - stuck) // 10))
    assert line.outbox.statistics().dropped_messages == 0
    await settle()
    line.put(b"y")
    assert line.outbox.statistics().dropped_messages == 1
    assert line.outbox.queued_bytes == 991
    assert not line.session.lost


@pytest.mark.parametrize("stuck", [110, 150, 500])
async def test_the_latest_of_a_key_take_no_more_room_and_others_are_cut_off_at_the_promise(
    registry: ConnectionRegistry, stuck: int
) -> None:
    line = Line(registry, limit=100, outbox_capacity=1000, outbox_policy="latest")
    await _buffer(line, stuck)
    room = 1000 - stuck
    for _ in range(100):
        line.session.write(Packet(b"k" * 100, "key"))
    assert line.outbox.queued_bytes == stuck + 100
    assert line.put(b"x" * (room - 100)) == [True]
    assert line.outbox.queued_bytes == 1000
    await settle()
    line.put(b"y")
    assert line.session.lost


async def _buffer(line: Line, size: int) -> None:
    """Have the channel hold `size` bytes, more than it may, and the burst be over in which it asked to wait."""
    line.channel.stuck = True
    line.put(b"b" * (size - (2 if size < 128 else 4)))
    await settle()
    assert line.writer.blocked
    assert line.channel.buffered() == line.outbox.queued_bytes == size


async def test_a_producer_waits_at_the_high_water_mark_and_goes_on_at_the_low(registry: ConnectionRegistry) -> None:
    line = Line(registry, outbox_capacity=10**6)
    line.channel.stuck = True
    assert line.put(b"x" * LIMIT) == [True]
    await turn()
    assert line.writer.blocked
    goes_on = HIGH_WATER - 2 * LIMIT
    assert line.put(b"y" * goes_on) == [True]
    assert line.put(b"z" * 10_000) == [False]
    draining = asyncio.ensure_future(line.session.drain())
    await settle()
    assert not draining.done()
    line.channel.flow(LIMIT // 2 + 1)
    await settle()
    assert not draining.done()
    line.channel.flow(LIMIT // 2)
    await draining
    assert line.outbox.size < 32_768


async def test_a_write_that_does_not_go_meets_the_time_limit(registry: ConnectionRegistry) -> None:
    line = Line(registry, send_timeout=10.0)
    line.channel.stuck = True
    line.put(b"x" * LIMIT)
    await turn()
    for now in (1000.0, 1009.9):
        line.session.tick(now)
        assert not line.session.lost
    line.session.tick(1010.0)
    assert line.session.lost
    with pytest.raises(SendTimeout):
        await line.session.receive()


# Bursts and large messages


async def test_a_burst_to_thousands_who_read_is_written_to_all_of_them(
    registry: ConnectionRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than are written to in one turn, and many times what may wait for one."""
    monkeypatch.setattr(_bursts, "LONGEST", math.inf)  # on a busy machine this takes longer than a burst may
    lines = [Line(registry, limit=100, outbox_capacity=1000) for _ in range(frame_transport.FLUSH_STRIDE * 2 + 500)]
    for number in range(40):
        packet = b"%d" % number * 100
        for each in lines:
            each.session.write(packet)
        if number % 4 == 3:
            await let_others_within_a_burst()
    await settle()
    sent = sum(len(b"%d" % number * 100) for number in range(40))
    assert not any(each.session.lost for each in lines)
    assert {each.outbox.statistics().written_bytes for each in lines} == {sent}


async def test_who_does_not_read_is_spared_one_burst_and_then_has_the_capacity(registry: ConnectionRegistry) -> None:
    slow, quick = Line(registry, limit=100, outbox_capacity=1000), Line(registry, limit=100, outbox_capacity=1000)
    slow.channel.stuck = True
    for each in (slow, quick):
        each.put(*[b"x" * 100] * 50)
    await settle()
    assert (slow.session.unoffered, slow.session.lost) == (False, False)
    for _ in range(9):
        for each in (slow, quick):
            each.put(b"y" * 100)
        await settle()
    assert not slow.session.lost
    for each in (slow, quick):
        each.put(*[b"z" * 100] * 2)
    assert (slow.session.lost, quick.session.lost) == (True, False)
    await settle()
    assert quick.outbox.statistics().written_bytes == 6_100


async def test_much_is_unoffered_until_it_was_written_or_refused(line: Line) -> None:
    assert not line.session.unoffered
    line.put(b"x" * HIGH_WATER)
    assert not line.session.unoffered
    line.put(b"x")
    assert line.session.unoffered
    await settle()
    assert not line.session.unoffered
    line.channel.stuck = True
    line.put(b"x" * (LIMIT + 1))
    await settle()
    line.put(b"x" * HIGH_WATER)
    assert not line.session.unoffered


async def test_a_large_message_is_the_same_object_for_everybody(registry: ConnectionRegistry) -> None:
    lines = [Line(registry), Line(registry)]
    packet = b"x" * 2_000_000
    for each in lines:
        each.session.write(packet)
    await settle()
    assert [each.channel.frames[0] for each in lines] == [b"\x81\x7f" + (2_000_000).to_bytes(8, "big")] * 2
    assert lines[0].channel.frames[1] is lines[1].channel.frames[1] is packet
    assert {each.outbox.statistics().written_bytes for each in lines} == {2_000_000}


async def test_a_large_write_that_goes_on_is_no_slow_write(registry: ConnectionRegistry) -> None:
    line = Line(registry, send_timeout=10.0)
    line.channel.stuck = True
    line.put(b"x" * 16_000_000)
    await turn()
    for second in range(0, 60, 9):
        line.channel.flow(16_000_000 - second * 100_000)
        line.session.tick(1000.0 + second)
        assert not line.session.lost
    line.session.tick(1063.9)
    assert not line.session.lost
    line.session.tick(1064.0)
    assert line.session.lost


# The end


async def test_joining_waits_until_everything_has_been_written(registry: ConnectionRegistry) -> None:
    line = Line(registry, limit=10)
    await line.writer.join()
    line.channel.stuck = True
    line.put(b"x" * 20)
    await turn()
    line.put(b"last")
    line.outbox.finish()
    joining = asyncio.ensure_future(line.writer.join())
    await settle()
    assert not joining.done()
    line.channel.stuck = False
    line.channel.flow()
    await joining
    assert line.channel.frames[-1] == b"\x81\x04last"


async def test_joining_waits_for_the_channel_though_the_queue_is_empty(registry: ConnectionRegistry) -> None:
    line = Line(registry, limit=10)
    line.channel.stuck = True
    line.put(b"x" * 20)
    await turn()
    line.outbox.finish()
    joining = asyncio.ensure_future(line.writer.join())
    await settle()
    assert not joining.done()
    line.channel.flow()
    await joining


@pytest.mark.parametrize(
    "order", [["cancel", "join"], ["join", "cancel"], ["join", "cancel", "resume"], ["join", "abort"]]
)
async def test_nobody_waits_for_a_writer_that_was_cancelled(registry: ConnectionRegistry, order: list[str]) -> None:
    line = Line(registry, limit=10)
    line.channel.stuck = True
    line.put(b"x" * 20)
    await turn()
    joins: list[asyncio.Future[None]] = []
    steps: dict[str, Callable[[], Any]] = {
        "cancel": line.writer.cancel,
        "join": lambda: joins.append(asyncio.ensure_future(line.writer.join())),
        "resume": line.channel.flow,
        "abort": line.session.abort,
    }
    for step in order:
        steps[step]()
        await settle()
    await joins[0]


@pytest.mark.parametrize("scope", [{}, {"extensions": None}, {"extensions": {"websocket.http.response": {}}}])
def test_a_server_without_channels_offers_none(scope: dict[str, Any]) -> None:
    assert frame_channel(scope) is None


# With the endpoint


class ChannelSocket(Socket):
    """A WebSocket of a server that offers a channel."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.channel = FakeChannel()
        self._scope["extensions"] = {"hubline.frames": {"channel": self.channel}}


async def test_an_endpoint_takes_the_channel_before_it_accepts() -> None:
    site = Site()
    socket = ChannelSocket(site.endpoint.connect)
    await settle()
    assert socket.sent == [{"type": "websocket.accept"}]
    socket.channel.reader.received(b"hello")
    await settle()
    assert socket.channel.take_frames() == [b"\x81\x05hello"]
    socket.channel.reader.left()
    await socket.ended()
    assert socket.sent[1:] == [], "nobody is there to close with"
    await site.close()


async def test_an_application_does_not_wait_for_room_when_the_peer_has_left() -> None:
    """It waits in `drain()` and does not read, so that nothing but the channel can tell it."""
    site = Site()
    socket = ChannelSocket(site.endpoint.connect)
    await settle()
    socket.channel.stuck = True
    socket.channel.reader.received(b"x" * 65_536)
    await settle()
    socket.channel.reader.received(b"y")
    await settle()
    assert not socket.channel.reading
    socket.channel.reader.left()
    await socket.ended()
    assert len(site.registry) == 0
    await site.close()
