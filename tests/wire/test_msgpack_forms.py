"""The arrays of MessagePack: what they say, and what is refused; `vectors/payloads-messagepack.json` has more."""

import pytest
from msgspec import Raw
from msgspec.msgpack import Decoder

from hubline.errors import RemoteProtocolError
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
from hubline.wire.msgpack_forms import Form, refuse

DECODER: Decoder[Form] = Decoder(Form)


def read(payload: str) -> Message:
    return DECODER.decode(bytes.fromhex(payload)).message()


def refusal(payload: str) -> str:
    with pytest.raises(RemoteProtocolError) as caught:
        read(payload)
    return caught.value.reason


@pytest.mark.statement(99)
@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ("94 03 80 a131 02", Completion(invocation_id="1")),
        ("95 03 80 a131 02 c0", Completion(invocation_id="1")),
        ("95 03 80 a131 01 a141", Completion(invocation_id="1", error="A")),
        ("95 03 80 a131 01 c0", Completion(invocation_id="1")),
        ("93 05 81a161a162 a131", CancelInvocation(invocation_id="1", headers={"a": "b"})),
        ("91 06", Ping()),
        ("92 07 c0", Close()),
        ("93 07 c0 c3", Close(allow_reconnect=True)),
        ("93 07 a141 c2", Close(error="A")),
        ("92 08 05", Ack(sequence_id=5)),
        ("92 09 05", Sequence(sequence_id=5)),
    ],
)
def test_messages_without_values_are_equal_to_ours(payload: str, message: Message) -> None:
    assert read(payload) == message


def test_values_stay_encoded() -> None:
    for payload in ("96 01 80 a131 a141 9105 91a161", "96 04 80 a131 a141 9105 91a161"):
        invocation = read(payload)
        assert isinstance(invocation, (Invocation, StreamInvocation))
        assert (invocation.invocation_id, invocation.target, invocation.stream_ids) == ("1", "A", ("a",))
        assert bytes(invocation.arguments) == b"\x91\x05"
    item, completion = read("94 02 80 a131 05"), read("95 03 80 a131 03 c0")
    assert isinstance(item, StreamItem)
    assert isinstance(completion, Completion)
    assert isinstance(completion.result, Raw)
    assert (bytes(item.item), bytes(completion.result)) == (b"\x05", b"\xc0")


@pytest.mark.statement(109)
@pytest.mark.parametrize(
    "number",
    ["05", "cc05", "cd0005", "ce00000005", "cf0000000000000005", "d005", "d10005", "d200000005", "d30000000000000005"],
)
def test_integers_may_have_any_width(number: str) -> None:
    assert read(f"92{number.replace('05', '08')}{number}") == Ack(sequence_id=5)
    completion = read(f"9503 80 a131 {number.replace('05', '03')} 05")
    assert isinstance(completion, Completion)
    assert isinstance(completion.result, Raw)


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        ("95 01 80 c0 c0 90", "Null or empty target for Invocation message."),
        ("95 04 80 a131 a0 90", "Null or empty target for StreamInvocation message."),
        ("95 04 80 c0 a141 90", "Null or empty invocation ID for StreamInvocation message."),
        ("94 02 80 a0 05", "Null or empty invocation ID for StreamItem message."),
        ("94 03 80 c0 02", "Null or empty invocation ID for Completion message."),
        ("93 05 80 c0", "Null or empty invocation ID for CancelInvocation message."),
        ("94 03 80 a131 03", "Reading 'result' failed."),
        ("94 03 80 a131 01", "Reading 'error' as String failed."),
        ("95 03 80 a131 01 05", "Reading 'error' as String failed."),
        ("95 03 80 a131 01 a1ff", "Reading 'error' as String failed."),
        ("95 03 80 a131 00 c0", "Invalid invocation result kind."),
        ("95 03 80 a131 04 c0", "Invalid invocation result kind."),
        ("93 05 81a0a162 a131", "Null or empty key in header."),
        ("93 05 81a161a0 a131", "Null or empty value in header."),
    ],
)
def test_what_the_original_refuses_is_refused_in_its_words(payload: str, text: str) -> None:
    assert refusal(payload) == text


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        ("a0", "Reading 'messageType' as Int32 failed."),
        ("91 a131", "Reading 'messageType' as Int32 failed."),
        ("91 cb4018000000000000", "Reading 'messageType' as Int32 failed."),
        ("91 c0", "Reading 'messageType' as Int32 failed."),
        ("91", "Reading the message failed: the decoder's"),
        ("92 08 c0", "Reading the message failed: the decoder's"),
    ],
)
def test_what_could_not_be_read_is_refused(payload: str, text: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        refuse(bytes.fromhex(payload), ValueError("the decoder's"))
    assert caught.value.reason == text


@pytest.mark.parametrize(
    "payload",
    ["91 0a", "91 00", "93 ff c0 c0", "91 ce80000000", "91 cfffffffffffffffff", "91 d38000000000000000"],
)
def test_an_unknown_type_is_not_refused_whatever_its_size(payload: str) -> None:
    refuse(bytes.fromhex(payload), ValueError())
    assert MessagePackCodec().decode(bytes.fromhex(payload)) is None
