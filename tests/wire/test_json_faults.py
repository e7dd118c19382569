"""The words for what is wrong with a JSON payload; all of them are also in `vectors/payloads-json.json`."""

import pytest

from hubline.errors import RemoteProtocolError
from hubline.wire.json import JsonCodec
from hubline.wire.json_faults import refuse, repair

CAUSE = ValueError("the decoder's")


@pytest.mark.parametrize(
    "kind", ["10", "0", "-7", "-0", "2147483648", "-99999999999999999999999", "9" * 5_000, "6" + "0" * 30_000]
)
def test_an_unknown_type_is_not_refused_whatever_its_size(kind: str) -> None:
    payload = f'{{"type":{kind},"target":5}}'.encode()
    refuse(payload, CAUSE)
    assert JsonCodec().decode(payload) is None


@pytest.mark.statement(93, 94, 96)
@pytest.mark.parametrize(
    ("payload", "text"),
    [
        ("{}", "Missing required property 'type'."),
        ('{"type":"1"}', "Expected 'type' to be of type Number."),
        ('{"type":1.5}', "Either the JSON value is not in a supported format, or is out of bounds for an Int32."),
        ('{"type":1e400}', "Either the JSON value is not in a supported format, or is out of bounds for an Int32."),
        ('{"type":6e0}', "Either the JSON value is not in a supported format, or is out of bounds for an Int32."),
        ('{"type":1}', "Missing required property 'target'."),
        ('{"type":1,"target":"x"}', "Missing required property 'arguments'."),
        ('{"type":1,"headers":[]}', "Expected 'headers' to be of type StartObject."),
        ('{"type":1,"headers":{"a":"b","c":5}}', "Expected header 'c' to be of type String."),
        ('{"type":1,"headers":{"a":"b"}}', "Missing required property 'target'."),
        ('{"type":1,"target":"\\ud8"}', "Error reading JSON."),
        ('{"type":4,"target":"x","arguments":[]}', "Missing required property 'invocationId'."),
        ('{"type":2,"invocationId":"1"}', "Missing required property 'item'."),
        ('{"type":8}', "Missing required property 'sequenceId'."),
        ('{"type":6}', "Error reading JSON."),
        ('{"type":6', "Error reading JSON."),
        ("[]", "Unexpected JSON Token Type 'Array'. Expected a JSON Object."),
        (" 5", "Unexpected JSON Token Type 'Number'. Expected a JSON Object."),
        ("false", "Unexpected JSON Token Type 'False'. Expected a JSON Object."),
    ],
)
def test_each_fault_has_the_words_of_the_original(payload: str, text: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        refuse(payload.encode(), CAUSE)
    assert caught.value.reason == text
    assert caught.value.__cause__ is CAUSE


def test_text_that_is_not_utf_8_is_refused() -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        refuse(b'{"type":1,"target":"\xff","arguments":[]}', CAUSE)
    assert caught.value.reason == "Error reading JSON."


def test_only_halves_of_pairs_that_stand_alone_are_replaced() -> None:
    assert repair(rb'"\ud83d\ud83d\ude00 \\ud83d \u00e9 \ude00"') == rb'"\ufffd\ud83d\ude00 \\ud83d \u00e9 \ufffd"'
    assert repair(b"no escapes") == b"no escapes"
