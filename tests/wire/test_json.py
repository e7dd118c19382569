"""The JSON codec: what it writes, what it refuses, how deep it looks."""

import math
from dataclasses import dataclass
from typing import Any

import pytest
from msgspec import UNSET, Raw

from hubline.errors import RemoteProtocolError
from hubline.wire.codec import TransferFormat
from hubline.wire.framing import RecordSplitter
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

CODEC = JsonCodec()


def decode(text: str) -> Message:
    message = CODEC.decode(text.encode())
    assert message is not None
    return message


def refusal(text: str) -> str:
    with pytest.raises(RemoteProtocolError) as caught:
        CODEC.decode(text.encode())
    return caught.value.reason


def test_it_is_the_codec_named_json_for_text() -> None:
    assert CODEC.name == "json"
    assert CODEC.transfer_format is TransferFormat.TEXT
    assert isinstance(CODEC.splitter(10), RecordSplitter)


@pytest.mark.statement(90, 91)
def test_properties_come_in_any_order_and_unknown_ones_are_skipped() -> None:
    message = decode('{"arguments": [1, "x"], "x": [{"y": 1}], "target": "Add", "headers": {"a": "b"}, "type": 1}')
    assert isinstance(message, Invocation)
    assert (message.target, message.invocation_id, message.headers) == ("Add", "", {"a": "b"})
    assert CODEC.reader(list[Any])(message.arguments) == [1, "x"]


@pytest.mark.statement(89)
def test_an_empty_invocation_id_counts_as_none_and_null_is_refused() -> None:
    message = decode('{"type":1,"invocationId":"","target":"Add","arguments":[]}')
    assert isinstance(message, Invocation)
    assert message.invocation_id == ""
    text = '{"type":1,"invocationId":null,"target":"Add","arguments":[]}'
    assert refusal(text) == "Expected 'invocationId' to be of type String."


@pytest.mark.statement(92)
def test_unknown_types_are_ignored() -> None:
    assert CODEC.decode(b'{"type":10,"invocationId":5,"arguments":{}}') is None


@pytest.mark.statement(95)
def test_a_completion_has_an_error_or_a_result_but_not_both() -> None:
    assert decode('{"type":3,"invocationId":"1","error":"x"}') == Completion(invocation_id="1", error="x")
    assert decode('{"type":3,"invocationId":"1"}') == Completion(invocation_id="1")
    assert (
        refusal('{"type":3,"invocationId":"1","error":"","result":null}')
        == "The 'error' and 'result' properties are mutually exclusive."
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"type":5,"invocationId":"1"}', CancelInvocation(invocation_id="1")),
        ('{"type":6}', Ping()),
        ('{"type":7,"error":"x","allowReconnect":true}', Close(error="x", allow_reconnect=True)),
        ('{"type":8,"sequenceId":5}', Ack(sequence_id=5)),
        ('{"type":9,"sequenceId":5}', Sequence(sequence_id=5)),
    ],
)
def test_messages_without_values_are_equal_to_ours(text: str, message: Message) -> None:
    assert decode(text) == message


@pytest.mark.parametrize("kind", ['"type":1', '"type":4,"invocationId":"1"'])
def test_arguments_must_be_an_array(kind: str) -> None:
    assert refusal(f'{{{kind},"target":"x","arguments":{{}}}}') == "Expected 'arguments' to be of type Array."
    assert isinstance(decode(f'{{{kind},"target":"x","arguments":[]}}'), Invocation | StreamInvocation)


@pytest.mark.parametrize("kind", [2, 3, 4, 5])
def test_an_empty_id_counts_as_missing_where_one_is_required(kind: int) -> None:
    text = f'{{"type":{kind},"invocationId":"","target":"x","arguments":[],"item":1}}'
    assert refusal(text) == "Missing required property 'invocationId'."


def nested(depth: int, inside: str = "") -> str:
    """An invocation so deep, the message itself counted."""
    return '{"type":1,"target":"x","arguments":' + "[" * (depth - 1) + inside + "]" * (depth - 1) + "}"


def test_a_depth_of_64_passes_and_65_is_refused() -> None:
    assert isinstance(decode(nested(64)), Invocation)
    assert refusal(nested(65)) == "Error reading JSON."
    assert refusal(nested(100_000)) == "Error reading JSON."


def test_brackets_in_texts_and_beside_each_other_are_no_depth() -> None:
    assert isinstance(decode(nested(60, '"' + "[{" * 100 + '\\"[[[[[["')), Invocation)
    assert isinstance(decode(nested(60, ",".join(["[{}]"] * 100))), Invocation)


def test_a_deep_payload_that_never_ends_is_refused_at_once() -> None:
    assert refusal('{"type":1,"x":"' + '\\"[' * 100_000) == "Error reading JSON."


def test_text_that_is_not_utf_8_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="Error reading JSON"):
        CODEC.decode(b'{"type":1,"target":"\xff","arguments":[]}')


def test_half_an_emoji_becomes_the_replacement_character() -> None:
    message = decode(r'{"type":1,"target":"x","arguments":["\ud83d","\ud83d\ude00","\\ud83d","\n\uDE00\ud83d\ude00"]}')
    assert isinstance(message, Invocation)
    found = CODEC.reader(list[str])(message.arguments)
    assert found == ["\ufffd", "\U0001f600", r"\ud83d", "\n\ufffd\U0001f600"]


def test_half_an_emoji_does_not_hide_another_fault() -> None:
    assert refusal(r'{"type":1,"target":"\ud83d"}') == "Missing required property 'arguments'."


@pytest.mark.statement(108)
def test_texts_are_written_unescaped() -> None:
    result = 'ü "quoted" <tag> & \u2028 \U0001f600 \x1e'
    written = '{"type":3,"invocationId":"1","result":"ü \\"quoted\\" <tag> & \u2028 \U0001f600 \\u001e"}\x1e'
    assert CODEC.encode(Completion(invocation_id="1", result=result)) == written.encode()


@pytest.mark.parametrize(
    ("message", "written"),
    [
        (
            Invocation(target="x", arguments=[[{"snake_case": None}]]),
            b'{"type":1,"target":"x","arguments":[[{"snake_case":null}]]}',
        ),
        (
            StreamInvocation(invocation_id="1", target="x", arguments=()),
            b'{"type":4,"invocationId":"1","target":"x","arguments":[]}',
        ),
        (StreamItem(invocation_id="1", item=Raw(b"[1, 2]")), b'{"type":2,"invocationId":"1","item":[1, 2]}'),
        (Completion(invocation_id="1", result=UNSET), b'{"type":3,"invocationId":"1"}'),
        (Completion(invocation_id="1", result=math.nan), b'{"type":3,"invocationId":"1","result":null}'),
    ],
)
def test_what_is_written(message: Message, written: bytes) -> None:
    assert CODEC.encode(message) == written + b"\x1e"


@dataclass
class Named:
    first_name: str


@pytest.mark.parametrize(
    "message",
    [
        StreamItem(invocation_id="1", item=Named("x")),
        Completion(invocation_id="1", result=[Named("x")]),
        Invocation(target="x", arguments=[1, Named("x")]),
        StreamInvocation(invocation_id="1", target="x", arguments=(Named("x"),)),
    ],
    ids=lambda message: type(message).__name__,
)
def test_values_are_written_with_the_names_of_json(message: Message) -> None:
    assert b'{"firstName":"x"}' in CODEC.encode(message)


class Opaque:
    pass


LOOP: list[Any] = []
LOOP.append(LOOP)


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (Opaque(), TypeError),
        ([Opaque()], TypeError),
        ("\ud800", ValueError),
        ({(1, 2): 3}, TypeError),
        (LOOP, RecursionError),
    ],
)
def test_a_value_without_a_form_raises(value: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        CODEC.encode(Completion(invocation_id="1", result=value))


def test_integers_may_be_of_any_size() -> None:
    assert CODEC.encode(StreamItem(invocation_id="1", item=2**70)).endswith(b'"item":1180591620717411303424}\x1e')
    assert CODEC.reader(int)(Raw(b"1180591620717411303424")) == 2**70
