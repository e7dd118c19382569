"""Random bytes and random splits: the wire gives the same events, and raises nothing but what it says."""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Raw, ValidationError
from msgspec.structs import asdict

from hubline.errors import HandshakeError, RemoteProtocolError
from hubline.wire.codec import Codec
from hubline.wire.connection import (
    AckDue,
    Event,
    Failed,
    HandshakeAccepted,
    HandshakeRefused,
    PingDue,
    Side,
    WireConnection,
)
from hubline.wire.framing import RecordSplitter, VarintSplitter, frame_record, frame_with_length
from hubline.wire.handshake import HandshakeRequest, HandshakeResponse
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
from hubline.wire.negotiate import choose_version
from hubline.wire.states import State

JSON, MESSAGEPACK = JsonCodec(), MessagePackCodec()
CODECS: list[Codec] = [JSON, MESSAGEPACK]
LIMIT = 200

texts = st.text(max_size=8)
names = st.text(min_size=1, max_size=8)
numbers = st.integers(-(2**63), 2**64 - 1)
values = st.recursive(
    st.none() | st.booleans() | numbers | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
headers = st.just(UNSET) | st.dictionaries(names, names, min_size=1, max_size=2)
arguments = st.lists(values, max_size=3)
stream_ids = st.lists(names, max_size=2).map(tuple)
messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(
        Invocation, headers=headers, invocation_id=texts, target=names, arguments=arguments, stream_ids=stream_ids
    ),
    st.builds(StreamInvocation, invocation_id=names, target=names, arguments=arguments, stream_ids=stream_ids),
    st.builds(StreamItem, invocation_id=names, item=values),
    st.builds(Completion, headers=headers, invocation_id=names, result=values),
    st.builds(Completion, invocation_id=names, error=names),
    st.builds(Completion, invocation_id=names),
    st.builds(CancelInvocation, invocation_id=names),
    st.builds(Ping),
    st.builds(Ack, sequence_id=st.integers(0, 2**63 - 1)),
    st.builds(Sequence, sequence_id=st.integers(0, 2**63 - 1)),
    st.builds(Close, error=st.just(UNSET) | texts, allow_reconnect=st.booleans()),
)


@st.composite
def streams(draw: st.DrawFn) -> tuple[Codec, bytes]:
    """A handshake and messages, sometimes damaged."""
    codec = draw(st.sampled_from(CODECS))
    data = HandshakeRequest(codec.name, 1).format() + b"".join(map(codec.encode, draw(st.lists(messages, max_size=5))))
    for _ in range(draw(st.integers(0, 2))):
        position = draw(st.integers(0, len(data)))
        data = data[:position] + draw(st.binary(max_size=3)) + data[position + draw(st.integers(0, 3)) :]
    return codec, data


@st.composite
def pieces(draw: st.DrawFn, data: bytes) -> list[bytes]:
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=6)))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True) if start < end]


def opened(event: Event) -> Any:
    """An event in a form that can be compared."""
    match event:
        case HandshakeAccepted(codec=codec, version=version, response=response):
            return codec.name, version, response
        case HandshakeRefused(error=error, response=response):
            return error, response
        case Failed(error=failure):
            return type(failure), str(failure)
        case PingDue() | AckDue():
            return event
    fields = {name: bytes(value) if isinstance(value, Raw) else value for name, value in asdict(event).items()}
    return type(event), fields


def events_of(parts: Iterable[bytes]) -> tuple[list[Any], State, str]:
    wire = WireConnection(Side.SERVER, CODECS, now=0.0, maximum_message_size=LIMIT)
    events = [event for part in parts for event in wire.receive(part, 0.0)]
    return [opened(event) for event in events], wire.state, str(wire.end_of_input())


@given(st.data())
def test_the_same_bytes_split_anywhere_give_the_same_events(data: st.DataObject) -> None:
    _, stream = data.draw(streams())
    whole = events_of([stream])
    assert events_of(data.draw(pieces(stream))) == whole
    assert events_of(stream[index : index + 1] for index in range(len(stream))) == whole


@given(st.binary(max_size=300), st.data())
def test_random_bytes_are_events_and_never_exceptions(stream: bytes, data: st.DataObject) -> None:
    for prefix in (b"", b'{"protocol":"json","version":1}\x1e', b'{"protocol":"messagepack","version":1}\x1e'):
        assert events_of(data.draw(pieces(prefix + stream))) == events_of([prefix + stream])


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
@given(message=messages)
def test_a_message_survives_the_way_there_and_back(codec: Codec, message: Message) -> None:
    (payload,) = codec.splitter(None).feed(codec.encode(message))
    found = codec.decode(payload)
    assert type(found) is type(message)
    fields = {
        name: codec.reader(object)(value) if isinstance(value, Raw) else value for name, value in asdict(found).items()
    }
    assert fields == asdict(message)


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
@given(data=st.data())
def test_a_damaged_payload_is_a_message_or_refused_and_so_are_its_values(codec: Codec, data: st.DataObject) -> None:
    (payload,) = codec.splitter(None).feed(codec.encode(data.draw(messages)))
    position = data.draw(st.integers(0, len(payload)))
    damaged = payload[:position] + data.draw(st.binary(max_size=4)) + payload[position + data.draw(st.integers(0, 4)) :]
    try:
        message = codec.decode(damaged)
    except RemoteProtocolError:
        return
    for value in () if message is None else asdict(message).values():
        if isinstance(value, Raw):
            with suppress(ValidationError):
                codec.reader(object)(value)


@given(st.binary(max_size=64))
def test_random_bytes_are_a_handshake_or_refused(payload: bytes) -> None:
    for parse in (HandshakeRequest.parse, HandshakeResponse.parse):
        with suppress(HandshakeError):
            parse(payload)


@given(st.text(max_size=14))
def test_any_version_is_answered(asked: str) -> None:
    answer = choose_version(asked)
    assert answer in (0, 1) if isinstance(answer, int) else answer.error


@given(st.data(), st.integers(1, 40))
def test_a_splitter_never_keeps_more_than_its_limit(data: st.DataObject, limit: int) -> None:
    bodies = data.draw(st.lists(st.binary(max_size=60).map(lambda body: body.replace(b"\x1e", b"")), max_size=5))
    for splitter, frame in ((RecordSplitter(limit), frame_record), (VarintSplitter(limit), frame_with_length)):
        framed = [frame(body) for body in bodies]
        fitting = next((index for index, part in enumerate(framed) if len(part) > limit), len(framed))
        found = []
        for part in data.draw(pieces(b"".join(framed))):
            found += splitter.feed(part)
            assert splitter.pending <= limit
        assert found == bodies[:fitting]
        assert (splitter.error is None) == (fitting == len(framed))
