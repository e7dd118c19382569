"""Sequence numbers, acknowledgements and what is said again: spec §7, literal bytes of a real server and client."""

import itertools

import pytest

from hubline.errors import RemoteProtocolError
from hubline.wire.codec import Codec
from hubline.wire.connection import AckDue, Event, Failed, PingDue, Side, State, WireConnection
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
    assert replay.resume() == (4 - left, [b"ab"] * left)


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


def test_a_gap_raises() -> None:
    with pytest.raises(RemoteProtocolError, match="greater than amount"):
        Replay(10).resumes_at(2)
