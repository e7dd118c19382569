"""Sequence numbers, acknowledgements and what is said again: spec §7, literal bytes of a real server and client."""

import itertools
from collections.abc import Iterable

import pytest

from hubline.errors import RemoteProtocolError
from hubline.wire.codec import Codec
from hubline.wire.connection import (
    AckDue,
    Event,
    Failed,
    PingDue,
    Side,
    WireConnection,
)
from hubline.wire.json import JsonCodec
from hubline.wire.messages import (
    Ack,
    CancelInvocation,
    Close,
    Completion,
    Invocation,
    Message,
    Ping,
    Sequence,
    StreamInvocation,
    StreamItem,
)
from hubline.wire.msgpack import MessagePackCodec
from hubline.wire.replay import Replay
from hubline.wire.states import State

CODECS: list[Codec] = [JsonCodec(), MessagePackCodec()]
COUNTED: list[Message] = [
    Invocation(target="A", arguments=[]),
    StreamInvocation(invocation_id="1", target="A", arguments=[]),
    StreamItem(invocation_id="1", item=1),
    Completion(invocation_id="1"),
    CancelInvocation(invocation_id="1"),
]
UNCOUNTED: list[Message] = [Ping(), Ack(sequence_id=0), Sequence(sequence_id=1)]


def opened(codec: Codec = CODECS[0], version: int = 2, limit: int = 100_000) -> WireConnection:
    """A server whose handshake is done."""
    wire = WireConnection(Side.SERVER, CODECS, now=0.0, replay=Replay(limit))
    wire.receive(b'{"protocol":"%s","version":%d}\x1e' % (codec.name.encode(), version), 0.0)
    assert wire.state is State.OPEN
    return wire


def calls(wire: WireConnection, *targets: str) -> list[Event]:
    packets = [wire.codec.encode(Invocation(target=target, arguments=[])) for target in targets]
    return wire.receive(b"".join(packets), 0.0)


def targets(events: list[Event]) -> list[str]:
    return [event.target for event in events if isinstance(event, Invocation)]


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
@pytest.mark.parametrize("message", COUNTED, ids=lambda message: type(message).__name__)
def test_what_hubs_and_clients_send_is_counted(codec: Codec, message: Message) -> None:
    wire = opened(codec)
    wire.receive(codec.encode(message), 0.0)
    assert wire.tick(1.0) == [AckDue(1)]


@pytest.mark.statement(179)
@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
@pytest.mark.parametrize("message", UNCOUNTED, ids=lambda message: type(message).__name__)
def test_pings_acks_and_sequences_are_not_counted(codec: Codec, message: Message) -> None:
    wire = opened(codec)
    wire.receive(codec.encode(message), 0.0)
    assert wire.tick(1.0) == []
    assert targets(calls(wire, "A")) == ["A"]
    assert wire.tick(2.0) == [AckDue(1)]


@pytest.mark.statement(179)
def test_close_is_not_counted() -> None:
    wire = opened()
    assert wire.receive(wire.codec.encode(Close()), 0.0) == [Close()]
    assert wire.replay is not None
    assert wire.replay.to_acknowledge() is None


@pytest.mark.statement(178)
def test_what_came_is_acknowledged_once_a_tick_and_nothing_when_there_is_nothing_new() -> None:
    wire = opened()
    assert wire.tick(1.0) == []
    calls(wire, "A", "B")
    assert wire.quiet_until(1.0) == 1.0, "each beat concerns it"
    assert wire.tick(2.0) == [AckDue(2)]
    assert wire.tick(3.0) == []
    calls(wire, "C")
    assert wire.tick(15.0) == [PingDue(), AckDue(3)]


@pytest.mark.statement(171)
def test_a_handshake_of_version_1_turns_it_off() -> None:
    wire = opened(version=1)
    assert wire.replay is None
    assert len(calls(wire, "A", "B")) == 2
    assert wire.receive(b'{"type":9,"sequenceId":1}\x1e', 0.0) == [Sequence(sequence_id=1)]
    assert targets(calls(wire, "A")) == ["A"], "nothing is a duplicate"
    assert wire.tick(1.0) == []


@pytest.mark.statement(176)
def test_what_is_known_by_its_position_is_dropped() -> None:
    wire = opened()
    assert targets(calls(wire, "A", "B", "C")) == ["A", "B", "C"]
    wire.receive(b'{"type":9,"sequenceId":2}\x1e', 0.0)
    assert targets(calls(wire, "B again", "C again", "D")) == ["D"]


def test_messages_behind_the_handshake_count() -> None:
    wire = WireConnection(Side.SERVER, CODECS, now=0.0, replay=Replay(10))
    call = b'{"type":1,"target":"A","arguments":[]}\x1e'
    wire.receive(b'{"protocol":"json","version":2}\x1e' + call + call, 0.0)
    assert wire.tick(1.0) == [AckDue(2)]


def test_an_acknowledgement_that_was_lost_is_said_again() -> None:
    wire = opened()
    calls(wire, "A", "B")
    assert wire.tick(1.0) == [AckDue(2)]
    wire.receive(b'{"type":9,"sequenceId":1}\x1e', 0.0)
    calls(wire, "A", "B")
    assert wire.tick(2.0) == [AckDue(2)]
    assert wire.tick(3.0) == []


@pytest.mark.statement(177)
def test_a_sequence_beyond_the_next_number_is_fatal() -> None:
    wire = opened()
    calls(wire, "A")
    assert wire.receive(b'{"type":9,"sequenceId":2}\x1e', 0.0) == [Sequence(sequence_id=2)]
    (failed,) = wire.receive(b'{"type":9,"sequenceId":3}\x1e', 0.0)
    assert isinstance(failed, Failed)
    assert str(failed.error) == "Sequence ID greater than amount of messages we've received."


@pytest.mark.statement(173)
@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
def test_a_new_socket_hears_the_first_number_and_then_everything_that_is_not_acknowledged(codec: Codec) -> None:
    wire = opened(codec)
    assert wire.replay is not None
    packets = [codec.encode(Invocation(target=target, arguments=[])) for target in "ABCD"]
    for packet in packets:
        wire.replay.keep(packet)
    wire.receive(codec.encode(Ack(sequence_id=2)), 0.0)
    assert wire.reconnected(1.0) == [codec.encode(Sequence(sequence_id=3)), *packets[2:]]
    assert wire.reconnected(2.0) == [codec.encode(Sequence(sequence_id=3)), *packets[2:]], "until that is acknowledged"


@pytest.mark.statement(174)
def test_with_everything_acknowledged_the_next_number_is_said() -> None:
    wire = opened()
    assert wire.reconnected(0.0) == [b'{"type":9,"sequenceId":1}\x1e']
    assert wire.replay is not None
    wire.replay.keep(b"x")
    wire.receive(b'{"type":8,"sequenceId":1}\x1e', 0.0)
    assert wire.reconnected(0.0) == [b'{"type":9,"sequenceId":2}\x1e']


def test_half_a_message_is_forgotten_with_its_socket() -> None:
    wire = opened()
    call = wire.codec.encode(Invocation(target="A", arguments=[]))
    assert wire.receive(call[:10], 0.0) == []
    wire.reconnected(1.0)
    assert targets(wire.receive(b'{"type":9,"sequenceId":1}\x1e' + call, 1.0)) == ["A"]


@pytest.mark.parametrize(("number", "left"), [(-1, 3), (0, 3), (1, 2), (3, 0), (99, 0)])
def test_acknowledgements_of_any_number_are_borne(number: int, left: int) -> None:
    replay = Replay(10)
    for _ in range(3):
        replay.keep(b"ab")
    replay.acknowledged(number)
    replay.acknowledged(number)
    assert replay.size == 2 * left
    assert replay.resume(CODECS[0]) == [CODECS[0].encode(Sequence(sequence_id=4 - left)), *[b"ab"] * left]


@pytest.mark.statement(180)
def test_it_is_full_above_its_limit_until_enough_is_acknowledged() -> None:
    replay = Replay(10)
    replay.keep(b"x" * 10)
    assert not replay.full
    replay.keep(b"x")
    assert replay.full
    replay.acknowledged(1)
    assert not replay.full


def test_time_without_a_socket_is_no_silence() -> None:
    wire = opened()
    wire.receive(b'{"type":6}\x1e', 0.0)
    wire.excuse(25.0)
    assert not any(isinstance(event, Failed) for event in wire.tick(50.0))
    assert any(isinstance(event, Failed) for event in wire.tick(55.0))


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
def test_wherever_the_socket_is_lost_each_message_comes_once(codec: Codec) -> None:
    """A client that says everything again from its first unacknowledged message, cut at each byte."""
    packets = [codec.encode(Invocation(target=target, arguments=[])) for target in "ABC"]
    stream = b"".join(packets)
    for cut, acknowledged in itertools.product(range(len(stream) + 1), (False, True)):
        wire = opened(codec)
        came = targets(wire.receive(stream[:cut], 0.0))
        start = len(came) if acknowledged else 0
        wire.reconnected(1.0)
        came += targets(wire.receive(codec.encode(Sequence(sequence_id=start + 1)) + b"".join(packets[start:]), 1.0))
        assert came == ["A", "B", "C"]


class Receiver:
    """The other side as official clients are: what it has handled, and how it counts.

    `binds` is how Microsoft's .NET client does: an item of a stream whose end it has received has no number.
    """

    def __init__(self, codec: Codec, *, binds: bool) -> None:
        self.handled: list[Message] = []
        self.latest, self._next = 0, 1
        self._codec, self._binds = codec, binds
        self._ended: set[str] = set()

    def receive(self, packets: Iterable[bytes]) -> None:
        for payload in self._codec.splitter(None).feed(b"".join(packets)):
            message = self._codec.decode(payload)
            assert message is not None
            if isinstance(message, Sequence):
                assert message.sequence_id <= self._next, "it would end the connection"
                self._next = message.sequence_id
            elif not (self._binds and isinstance(message, StreamItem) and message.invocation_id in self._ended):
                self._count(message)

    def _count(self, message: Message) -> None:
        self._next += 1
        if self._next - 1 > self.latest:
            self.latest = self._next - 1
            self.handled.append(message)
            if isinstance(message, Completion):
                self._ended.add(message.invocation_id)


TWO_STREAMS: list[Message] = [
    StreamItem(invocation_id="1", item=10),
    StreamItem(invocation_id="2", item=20),
    Invocation(target="A", arguments=[]),
    StreamItem(invocation_id="1", item=11),
    Completion(invocation_id="5", result=True),
    StreamItem(invocation_id="3", item=30),
    StreamItem(invocation_id="2", item=21),
    Completion(invocation_id="1", error="E" * 100),
    StreamItem(invocation_id="2", item=22),
    Completion(invocation_id="4"),
    Completion(invocation_id="2"),
    Invocation(target="B", arguments=[]),
]
"""Two streams that end, one that goes on, a call, and a stream without items."""


@pytest.mark.statement(175, 176)
@pytest.mark.parametrize("binds", [False, True])
@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
def test_with_streams_that_have_ended_nothing_is_lost_however_the_other_side_counts(codec: Codec, binds: bool) -> None:
    """Sockets are lost after each message of the first and the second, and acknowledgements arrive before or then."""
    packets = [codec.encode(message) for message in TWO_STREAMS]
    last = codec.encode(Invocation(target="last", arguments=[]))
    everything = Receiver(codec, binds=False)
    everything.receive([*packets, last])
    for first, second, acknowledged in itertools.product(range(13), range(16), (None, "before", "within")):
        sender, receiver = Replay(100_000), Receiver(codec, binds=binds)
        for packet in packets:
            sender.keep(packet)
        receiver.receive(packets[:first])
        if acknowledged == "before":
            sender.acknowledged(receiver.latest)
        receiver.receive(sender.resume(codec)[:second])
        if acknowledged == "within":
            sender.acknowledged(receiver.latest)
        receiver.receive(sender.resume(codec))
        sender.keep(last)
        receiver.receive([last])
        assert receiver.handled == everything.handled, (first, second, acknowledged)


def test_when_a_socket_was_lost_while_messages_came_again_the_count_starts_where_it_may_be() -> None:
    codec = CODECS[0]
    sender = Replay(100_000)
    packets = [codec.encode(Invocation(target=target, arguments=[])) for target in "ABCD"]
    for packet in packets:
        sender.keep(packet)
    sender.acknowledged(1)
    sender.resume(codec)
    sender.acknowledged(3)
    end = b'{"type":3,"invocationId":"0"}\x1e'
    assert sender.resume(codec) == [b'{"type":9,"sequenceId":2}\x1e' + end * 2, packets[3]]
    sender.keep(packets[0])
    sender.acknowledged(5)
    assert sender.resume(codec) == [b'{"type":9,"sequenceId":6}\x1e'], "it has all that came again"


def test_a_sequence_after_everything_that_has_come_is_no_gap_while_it_comes_again() -> None:
    wire = opened()
    calls(wire, "A", "B", "C")
    wire.receive(b'{"type":9,"sequenceId":1}\x1e', 0.0)
    calls(wire, "A")
    assert wire.receive(b'{"type":9,"sequenceId":4}\x1e', 0.0) == [Sequence(sequence_id=4)]
    assert targets(calls(wire, "D")) == ["D"]


def test_without_a_stream_that_has_ended_nothing_is_repeated() -> None:
    codec = CODECS[0]
    sender = Replay(100_000)
    packets = [codec.encode(message) for message in (*COUNTED[:3], Completion(invocation_id="7", result=1))]
    for packet in packets:
        sender.keep(packet)
    assert sender.resume(codec) == [codec.encode(Sequence(sequence_id=1)), *packets]


def test_after_a_stream_the_count_goes_back_by_its_items_and_is_raised_by_repetitions_of_its_end() -> None:
    """Literal bytes, because other programs than ours must understand them."""
    codec = CODECS[0]
    sender = Replay(100_000)
    packets = [codec.encode(message) for message in (*TWO_STREAMS[:2], Completion(invocation_id="2", error="E"))]
    for packet in packets:
        sender.keep(packet)
    end = b'{"type":3,"invocationId":"0"}\x1e'
    first, third = (b'{"type":9,"sequenceId":%d}\x1e' % number for number in (1, 3))
    assert sender.resume(codec) == [first, *packets, third + end]


def test_ready_made_bytes_that_are_no_message_are_sent_again_as_they_are() -> None:
    sender = Replay(100_000)
    sender.keep(b"no message")
    sender.keep(b"{}{}\x1e{}\x1e")
    sender.keep(b"[\x1e")
    assert sender.resume(CODECS[0])[1:] == [b"no message", b"{}{}\x1e{}\x1e", b"[\x1e"]


def test_a_gap_raises() -> None:
    with pytest.raises(RemoteProtocolError, match="greater than amount"):
        Replay(10).resumes_at(2)
