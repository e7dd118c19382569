"""The MessagePack codec: what it writes, what it reads, and bombs."""

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec import UNSET, Raw, ValidationError

from hubline.errors import RemoteProtocolError
from hubline.wire.codec import TransferFormat
from hubline.wire.framing import VarintSplitter
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

CODEC = MessagePackCodec()


def decode(payload: str) -> Message:
    message = CODEC.decode(bytes.fromhex(payload))
    assert message is not None
    return message


def test_it_is_the_codec_named_messagepack_for_binary() -> None:
    assert CODEC.name == "messagepack"
    assert CODEC.transfer_format is TransferFormat.BINARY
    assert isinstance(CODEC.splitter(10), VarintSplitter)


@pytest.mark.statement(98)
def test_an_invocation_may_lack_its_stream_ids() -> None:
    message = decode("95 01 80 c0 a3416464 920102")
    assert isinstance(message, Invocation)
    assert (message.target, message.invocation_id, message.stream_ids, message.headers) == ("Add", "", (), UNSET)
    assert CODEC.reader(list[int])(message.arguments) == [1, 2]


@pytest.mark.statement(92)
def test_unknown_types_are_ignored() -> None:
    assert CODEC.decode(bytes.fromhex("93 0a c0 c0")) is None


@pytest.mark.statement(87)
def test_completions_are_written_by_kind() -> None:
    assert CODEC.encode(Completion(invocation_id="1")).hex(" ") == "06 94 03 80 a1 31 02"
    assert CODEC.encode(Completion(invocation_id="1", result=None)).hex(" ") == "07 95 03 80 a1 31 03 c0"
    assert CODEC.encode(Completion(invocation_id="1", error="")).hex(" ") == "07 95 03 80 a1 31 01 a0"


def test_both_kinds_of_invocations_are_written_with_all_items() -> None:
    assert CODEC.encode(Invocation(target="m", arguments=())).hex(" ") == "08 96 01 80 c0 a1 6d 90 90"
    streaming = StreamInvocation(invocation_id="1", target="m", arguments=[300], stream_ids=("a",))
    assert CODEC.encode(streaming).hex(" ") == "0e 96 04 80 a1 31 a1 6d 91 cd 01 2c 91 a1 61"


@pytest.mark.parametrize(
    ("message", "written"),
    [
        (CancelInvocation(invocation_id="1", headers={"a": "b"}), "09 93 05 81 a1 61 a1 62 a1 31"),
        (Ping(), "02 91 06"),
        (Close(), "04 93 07 c0 c2"),
        (Close(error="x", allow_reconnect=True), "05 93 07 a1 78 c3"),
        (Ack(sequence_id=36), "03 92 08 24"),
        (Sequence(sequence_id=19), "03 92 09 13"),
    ],
)
@pytest.mark.statement(100, 101)
def test_messages_without_values(message: Message, written: str) -> None:
    assert CODEC.encode(message).hex(" ") == written


def test_bytes_are_binary_and_moments_are_timestamps() -> None:
    def item(value: Any) -> str:
        return CODEC.encode(StreamItem(invocation_id="1", item=value))[6:].hex()

    assert item(b"\x01\x02") == "c4020102"
    assert item(datetime(2026, 11, 22, 10, 20, 30, tzinfo=UTC)) == "d6ff6b02c1ee"
    assert item(datetime(2026, 11, 22, 10, 20, 30)) == item(datetime(2026, 11, 22, 10, 20, 30, tzinfo=UTC))


def test_a_value_without_a_form_raises() -> None:
    with pytest.raises(TypeError):
        CODEC.encode(StreamItem(invocation_id="1", item=object()))
    with pytest.raises(OverflowError):
        CODEC.encode(StreamItem(invocation_id="1", item=2**64))


@pytest.mark.parametrize(
    "payload",
    [
        "950180c0a141" + "91" * 100_000 + "c0",
        "91" * 100_000,
        "950180c0a141" + "81a161" * 50_000 + "c0",
        "960180c0a14190" + "ddffffffff",
        "950180c0a141" + "ddffffffff",
        "950180c0a141" + "dfffffffff",
        "950180c0a141" + "c6ffffffff",
        "950180c0a141" + "dbffffffff",
        "950180c0a141" + "c9ffffffff01",
        "9501dfffffffff",
        "ddffffffff01",
    ],
    ids=lambda payload: payload[:24],
)
def test_bombs_are_refused_without_harm(payload: str) -> None:
    with pytest.raises(RemoteProtocolError, match="Reading"):
        CODEC.decode(bytes.fromhex(payload))


def test_values_that_are_broken_inside_fail_when_they_are_read_and_not_before() -> None:
    message = decode("95 01 80 c0 a141 91 a2ffff")
    assert isinstance(message, Invocation)
    with pytest.raises(ValidationError, match="the value is malformed"):
        CODEC.reader(list[str])(message.arguments)
    with pytest.raises(ValidationError, match="the value is malformed"):
        CODEC.reader(list[Any])(Raw(bytes.fromhex("91 81 80 01")))


def remaining_depth() -> int:
    def dive(depth: int) -> int:
        try:
            return dive(depth + 1)
        except RecursionError:
            return depth

    return dive(0)


def test_refused_depth_costs_nothing_of_pythons_own() -> None:
    before = remaining_depth()
    for _ in range(5):
        with pytest.raises(RemoteProtocolError):
            CODEC.decode(bytes.fromhex("950180c0a141") + b"\x91" * 50_000)
        with pytest.raises(ValidationError):
            CODEC.reader(list[Any])(Raw(b"\x91" * 50_000))
    assert remaining_depth() == before
