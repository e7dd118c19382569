"""The state machine: literal bytes in, events out, and a clock that the test moves."""

from typing import Any

import pytest
from msgspec import Raw

from hubline.errors import (
    ConnectionClosed,
    HandshakeError,
    KeepAliveTimeout,
    LocalProtocolError,
    MessageTooLarge,
    RemoteProtocolError,
)
from hubline.wire.codec import TransferFormat
from hubline.wire.connection import (
    Event,
    Failed,
    HandshakeAccepted,
    HandshakeRefused,
    PingDue,
    Side,
    WireConnection,
)
from hubline.wire.json import JsonCodec
from hubline.wire.messages import Ack, CancelInvocation, Close, Completion, Invocation, Ping, Sequence
from hubline.wire.msgpack import MessagePackCodec
from hubline.wire.states import TRANSITIONS, State, Turn

JSON, MESSAGEPACK = JsonCodec(), MessagePackCodec()
REQUEST = b'{"protocol":"json","version":1}\x1e'
PING = b'{"type":6}\x1e'
CANCEL = b'{"type":5,"invocationId":"1"}\x1e'


def connect(side: Side = Side.SERVER, **options: Any) -> WireConnection:
    return WireConnection(side, [JSON, MESSAGEPACK], now=0.0, **options)


def open_server(**options: Any) -> WireConnection:
    wire = connect(**options)
    assert isinstance(wire.receive(REQUEST, 0.0)[0], HandshakeAccepted)
    return wire


def open_client(**options: Any) -> WireConnection:
    wire = connect(Side.CLIENT, **options)
    wire.handshake()
    assert isinstance(wire.receive(b"{}\x1e", 0.0)[0], HandshakeAccepted)
    return wire


def error_of(events: list[Event]) -> ConnectionClosed:
    """The last event, which must be a failure."""
    assert isinstance(events[-1], Failed)
    return events[-1].error


def state_of(wire: WireConnection) -> State:
    """The state, which a type checker must not take for what it was a line before."""
    return wire.state


def refused(events: list[Event]) -> tuple[str, bytes]:
    (event,) = events
    assert isinstance(event, HandshakeRefused)
    return event.error, event.response


# The handshake


@pytest.mark.statement(74)
def test_a_handshake_is_answered_with_two_braces() -> None:
    wire = connect()
    (event,) = wire.receive(REQUEST, 0.0)
    assert isinstance(event, HandshakeAccepted)
    assert (event.codec, event.version, event.response) == (JSON, 1, b"{}\x1e")
    assert state_of(wire) is State.OPEN
    assert wire.codec is JSON


@pytest.mark.statement(75)
def test_a_handshake_may_come_in_pieces() -> None:
    wire = connect()
    assert wire.receive(REQUEST[:5], 0.0) == []
    assert wire.receive(REQUEST[5:-1], 0.0) == []
    assert isinstance(wire.receive(REQUEST[-1:], 0.0)[0], HandshakeAccepted)


@pytest.mark.statement(76)
def test_messages_may_come_with_the_handshake() -> None:
    accepted, *messages = connect().receive(REQUEST + PING + CANCEL + b'{"ty', 0.0)
    assert isinstance(accepted, HandshakeAccepted)
    assert messages == [Ping(), CancelInvocation(invocation_id="1")]


def test_messages_behind_a_handshake_may_be_binary() -> None:
    accepted, *messages = connect().receive(b'{"protocol":"messagepack","version":2}\x1e\x02\x91\x06', 0.0)
    assert isinstance(accepted, HandshakeAccepted)
    assert (accepted.codec, accepted.version, messages) == (MESSAGEPACK, 2, [Ping()])


@pytest.mark.statement(78)
def test_a_handshake_that_cannot_be_agreed_to_ends_the_connection() -> None:
    wire = connect()
    text = "The protocol 'xml' is not supported."
    assert refused(wire.receive(b'{"protocol":"xml","version":1}\x1e', 0.0)) == (
        text,
        b'{"error":"%b"}\x1e' % text.encode(),
    )
    assert state_of(wire) is State.CLOSED
    assert wire.receive(REQUEST, 0.0) == []
    assert wire.tick(100.0) == []


def test_a_binary_codec_needs_a_transport_that_carries_it() -> None:
    wire = connect(transfer_formats=frozenset({TransferFormat.TEXT}))
    error, _ = refused(wire.receive(b'{"protocol":"messagepack","version":1}\x1e', 0.0))
    assert error.startswith("Cannot use the 'messagepack' protocol on the current transport.")


@pytest.mark.statement(82)
def test_details_of_a_broken_handshake_are_told_only_on_demand() -> None:
    base = "An unexpected error occurred during connection handshake."
    assert refused(connect().receive(b"hello\x1e", 0.0))[0] == base
    assert refused(connect(detailed_errors=True).receive(b"hello\x1e", 0.0))[0].startswith(
        f"{base} JsonReaderException: "
    )


@pytest.mark.statement(81)
def test_a_handshake_longer_than_a_message_may_be_is_cancelled() -> None:
    canceled = ("Handshake was canceled.", b'{"error":"Handshake was canceled."}\x1e')
    assert refused(connect().receive(b"x" * 40_000, 0.0)) == canceled
    assert isinstance(connect(maximum_message_size=len(REQUEST)).receive(REQUEST, 0.0)[0], HandshakeAccepted)
    wire = connect(maximum_message_size=len(REQUEST) - 1)
    assert wire.receive(REQUEST[:-1], 0.0) == []
    assert refused(wire.receive(REQUEST[-1:], 0.0)) == canceled


def test_without_a_limit_a_handshake_may_have_any_length() -> None:
    request = b'{"protocol":"json","version":1,"x":"%b"}\x1e' % (b"x" * 100_000)
    assert isinstance(connect(maximum_message_size=None).receive(request, 0.0)[0], HandshakeAccepted)


@pytest.mark.statement(80)
def test_a_handshake_that_does_not_come_is_cancelled() -> None:
    wire = connect()
    assert wire.tick(14.9) == []
    assert refused(wire.tick(15.0)) == ("Handshake was canceled.", b'{"error":"Handshake was canceled."}\x1e')
    assert wire.tick(16.0) == []


def test_a_peer_that_leaves_before_its_handshake_is_no_connection() -> None:
    wire = connect()
    assert isinstance(wire.end_of_input(), HandshakeError)
    assert state_of(wire) is State.CLOSED
    assert wire.end_of_input() is None


# The client's side


def test_a_client_asks_for_its_first_codec_and_reads_the_answer() -> None:
    wire = connect(Side.CLIENT)
    assert wire.handshake(version=2) == b'{"protocol":"json","version":2}\x1e'
    accepted, *messages = wire.receive(b"{}\x1e" + PING, 0.0)
    assert isinstance(accepted, HandshakeAccepted)
    assert (accepted.codec, accepted.version, accepted.response) == (JSON, 2, b"")
    assert messages == [Ping()]


@pytest.mark.statement(85)
@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b'{"error":"no, thanks"}\x1e', "no, thanks"),
        (b'{"type":6}\x1e', "Expected a handshake response from the server."),
    ],
)
def test_a_client_learns_why_it_was_refused(answer: bytes, text: str) -> None:
    wire = connect(Side.CLIENT)
    assert refused(wire.receive(answer, 0.0)) == (text, b"")
    assert state_of(wire) is State.CLOSED


# Messages


@pytest.mark.statement(45, 46)
def test_messages_may_be_split_and_joined() -> None:
    wire = open_server()
    assert wire.receive(PING + CANCEL[:7], 0.0) == [Ping()]
    assert wire.receive(CANCEL[7:] + PING, 0.0) == [CancelInvocation(invocation_id="1"), Ping()]


def test_arguments_stay_encoded() -> None:
    (message,) = open_server().receive(b'{"type":1,"target":"x","arguments":[1, 2]}\x1e', 0.0)
    assert isinstance(message, Invocation)
    assert isinstance(message.arguments, Raw)
    assert bytes(message.arguments) == b"[1, 2]"


@pytest.mark.statement(92, 103)
def test_unknown_messages_are_skipped_and_acks_are_handed_on() -> None:
    data = b'{"type":77}\x1e{"type":8,"sequenceId":1}\x1e{"type":9,"sequenceId":2}\x1e'
    assert open_server().receive(data, 0.0) == [Ack(sequence_id=1), Sequence(sequence_id=2)]


@pytest.mark.statement(93, 94, 95, 96)
@pytest.mark.parametrize(
    ("message", "text"),
    [
        (b"{}", "Missing required property 'type'."),
        (b'{"type":1,"target":"x"}', "Missing required property 'arguments'."),
        (
            b'{"type":3,"invocationId":"1","error":"x","result":null}',
            "The 'error' and 'result' properties are mutually exclusive.",
        ),
        (b'{"type":5,"invocationId":"1","headers":{"a":1}}', "Expected header 'a' to be of type String."),
    ],
)
def test_a_broken_message_is_the_last_event(message: bytes, text: str) -> None:
    wire = open_server()
    events = wire.receive(PING + message + b"\x1e" + PING, 0.0)
    assert events[:-1] == [Ping()]
    error = error_of(events)
    assert type(error) is RemoteProtocolError
    assert (error.reason, error.allow_reconnect) == (text, True)
    assert state_of(wire) is State.PEER_CLOSED
    assert wire.receive(PING, 0.0) == []
    assert wire.send(Close(error="x", allow_reconnect=True)) == b'{"type":7,"error":"x","allowReconnect":true}\x1e'
    assert state_of(wire) is State.CLOSED


@pytest.mark.statement(104, 105)
def test_messages_before_one_that_is_too_large_are_handed_on() -> None:
    wire = open_server(maximum_message_size=len(REQUEST))
    exactly = b'{"type":6,"x":"%b"}\x1e' % (b"x" * (len(REQUEST) - 18))
    assert len(exactly) == len(REQUEST)
    assert wire.receive(exactly, 0.0) == [Ping()]
    events = wire.receive(PING + PING + b"x" + exactly + PING, 0.0)
    assert events[:-1] == [Ping(), Ping()]
    assert isinstance(error_of(events), MessageTooLarge)
    assert wire.receive(PING, 0.0) == []


@pytest.mark.statement(106)
def test_input_that_ends_within_a_message_is_an_error() -> None:
    wire = open_server()
    wire.receive(PING + b'{"type":', 0.0)
    error = wire.end_of_input()
    assert isinstance(error, RemoteProtocolError)
    assert error.reason == "Connection terminated while reading a message."
    assert wire.end_of_input() is None


def test_input_that_ends_between_messages_is_no_error_and_a_close_may_follow() -> None:
    wire = open_server()
    assert wire.end_of_input() is None
    assert wire.send(Close(allow_reconnect=True)) == b'{"type":7,"allowReconnect":true}\x1e'
    assert state_of(wire) is State.CLOSED


# Closing


def test_what_follows_the_close_of_the_peer_is_not_heard() -> None:
    wire = open_server()
    assert wire.receive(PING + b'{"type":7,"error":"x"}\x1e' + PING, 0.0) == [Ping(), Close(error="x")]
    assert state_of(wire) is State.PEER_CLOSED
    with pytest.raises(LocalProtocolError, match="cannot send Ping: the connection is in state PEER_CLOSED"):
        wire.send(Ping())
    assert wire.send(Close()) == b'{"type":7}\x1e'
    with pytest.raises(LocalProtocolError, match="CLOSED"):
        wire.send(Close())


def test_after_our_close_the_peer_is_still_heard() -> None:
    wire = open_client()
    assert wire.send(Close()) == b'{"type":7}\x1e'
    assert state_of(wire) is State.CLOSING
    with pytest.raises(LocalProtocolError):
        wire.send(Ping())
    assert wire.tick(100.0) == []
    assert wire.receive(PING, 0.0) == [Ping()]
    assert wire.receive(b'{"type":7}\x1e', 0.0) == [Close()]
    assert state_of(wire) is State.CLOSED


@pytest.mark.parametrize("last", [b"{}\x1e", b"x" * 40_000])
def test_faults_while_closing_end_the_connection(last: bytes) -> None:
    wire = open_server()
    wire.send(Close())
    assert isinstance(error_of(wire.receive(last, 0.0)), RemoteProtocolError)
    assert state_of(wire) is State.CLOSED


def test_the_end_of_input_while_closing_is_the_end() -> None:
    wire = open_server()
    wire.send(Close())
    assert wire.end_of_input() is None
    assert state_of(wire) is State.CLOSED


def test_nothing_can_be_sent_before_the_handshake() -> None:
    with pytest.raises(LocalProtocolError, match="HANDSHAKE"):
        connect().send(Ping())


def test_a_value_that_cannot_be_encoded_changes_nothing() -> None:
    wire = open_server()
    with pytest.raises(TypeError):
        wire.send(Completion(invocation_id="1", result=object()))
    assert wire.send(Completion(invocation_id="1", result=1)) == b'{"type":3,"invocationId":"1","result":1}\x1e'


def test_every_state_but_the_last_can_be_left_and_nothing_leads_back() -> None:
    order = list(State)
    assert {state for state, _ in TRANSITIONS} == set(State) - {State.CLOSED}
    assert {turn for _, turn in TRANSITIONS} == set(Turn)
    assert all(order.index(after) > order.index(before) for (before, _), after in TRANSITIONS.items())


# Time


@pytest.mark.statement(166)
def test_a_server_pings_at_every_interval_whatever_else_it_sends() -> None:
    wire = open_server()
    assert wire.tick(14.0) == []
    wire.send(Completion(invocation_id="1", result=1), 14.0)
    assert wire.tick(15.0) == [PingDue()]
    assert wire.tick(15.1) == []
    assert wire.tick(29.9) == []
    assert wire.tick(30.5) == [PingDue()]


def test_a_client_pings_only_when_it_sent_nothing_else() -> None:
    wire = open_client(peer_timeout=None)
    wire.send(CancelInvocation(invocation_id="1"), 14.0)
    assert wire.tick(15.0) == []
    assert wire.tick(29.0) == [PingDue()]
    assert wire.tick(100.0) == [PingDue()]


def test_where_the_transport_shows_that_the_peer_lives_nothing_is_pinged() -> None:
    assert open_server(keep_alive_interval=None).tick(1000.0) == []


@pytest.mark.statement(167)
def test_a_client_that_never_pings_is_never_timed_out() -> None:
    wire = open_server(keep_alive_interval=None)
    assert wire.receive(CANCEL, 1.0) == [CancelInvocation(invocation_id="1")]
    assert wire.tick(1000.0) == []


@pytest.mark.statement(168)
def test_after_one_ping_silence_ends_the_connection() -> None:
    wire = open_server(keep_alive_interval=None)
    wire.receive(PING, 1.0)
    wire.receive(CANCEL[:5], 20.0)
    assert wire.tick(30.9) == []
    error = error_of(wire.tick(31.0))
    assert isinstance(error, KeepAliveTimeout)
    assert error.allow_reconnect
    assert str(error) == "Client hasn't sent a message/ping within the configured ClientTimeoutInterval."
    assert state_of(wire) is State.PEER_CLOSED
    assert wire.tick(32.0) == []


def test_any_whole_message_counts_as_a_sign_of_life() -> None:
    wire = open_server(keep_alive_interval=None)
    wire.receive(PING, 0.0)
    wire.receive(CANCEL, 20.0)
    wire.receive(b'{"type":77}\x1e', 40.0)
    assert wire.tick(69.9) == []
    assert isinstance(error_of(wire.tick(70.0)), KeepAliveTimeout)


@pytest.mark.statement(169)
def test_time_in_which_dispatching_is_blocked_does_not_count() -> None:
    wire = open_server(keep_alive_interval=None)
    wire.receive(PING, 0.0)
    wire.pause(1.0)
    assert wire.tick(500.0) == []
    wire.resume(501.0)
    assert wire.tick(530.9) == []
    assert isinstance(error_of(wire.tick(531.0)), KeepAliveTimeout)


@pytest.mark.statement(170)
def test_a_client_counts_from_the_handshake_on() -> None:
    wire = open_client(keep_alive_interval=None)
    assert wire.tick(29.9) == []
    assert isinstance(error_of(wire.tick(30.0)), KeepAliveTimeout)
