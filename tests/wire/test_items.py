"""Many items at once: as one after another, or not at all."""

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from hubline.wire.codec import Codec
from hubline.wire.json import JsonCodec
from hubline.wire.messages import Completion, Ping, StreamItem
from hubline.wire.msgpack import MessagePackCodec

JSON, MESSAGEPACK = JsonCodec(), MessagePackCodec()
both_codecs = pytest.mark.parametrize("codec", [JSON, MESSAGEPACK], ids=["json", "messagepack"])

ITEM = b'{"type":2,"invocationId":"5","item":1}\x1e'


class Point(Struct):
    x: int


def encoded(codec: Codec, *values: Any, id: str = "5") -> bytes:
    return b"".join(codec.encode(StreamItem(invocation_id=id, item=value)) for value in values)


def at_once(codec: Codec, kind: Any, data: bytes) -> list[tuple[str, Any]]:
    read = codec.items_reader(kind)
    assert read is not None
    return [(each.invocation_id, each.item) for each in read(data)]


@both_codecs
@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (str, ["a", "", 'ä\x1e\n"', "x" * 60]),
        (int, [0, -1, 2**40]),
        (float, [1, 2.5]),
        (bool, [True, False]),
        (Any, [None, 1, "a", {"b": [1, 2]}, [], {}]),
        (list[int], [[1], []]),
        (int | None, [1, None]),
    ],
)
def test_they_are_read_as_one_by_one(codec: Codec, kind: Any, values: list[Any]) -> None:
    data = encoded(codec, *values) + encoded(codec, values[0], id="17")
    assert codec.stream_of(data) == "5"
    reader = codec.reader(kind)
    messages = [codec.decode(payload) for payload in codec.splitter(None).feed(data)]
    expected = [(each.invocation_id, reader(each.item)) for each in messages if isinstance(each, StreamItem)]
    assert at_once(codec, kind, data) == expected
    assert list(map(type, at_once(codec, kind, data))) == list(map(type, expected))
    assert [value for _, value in expected] == [*values, values[0]]


@both_codecs
@pytest.mark.parametrize("other", [Ping(), Completion(invocation_id="5"), StreamItem(invocation_id="5", item="text")])
def test_what_is_not_items_of_the_type_is_left_alone(codec: Codec, other: Any) -> None:
    for data in (codec.encode(other), encoded(codec, 1) + codec.encode(other), codec.encode(other) + encoded(codec, 1)):
        assert at_once(codec, int, data) == []


@both_codecs
def test_types_that_msgspec_alone_does_not_read_have_no_reader(codec: Codec) -> None:
    assert codec.items_reader(Point) is None, "names of fields differ on the wire"
    assert codec.items_reader(list[Point]) is None
    assert codec.items_reader(datetime) is not None, "others than msgspec's are read one by one"


@both_codecs
@given(data=st.data())
def test_no_cut_and_no_change_makes_others_of_them(codec: Codec, data: st.DataObject) -> None:
    """What is read at once is what is read one by one; where that finds a mistake, nothing is read."""
    whole = bytearray(encoded(codec, "ab", "c{", "[d]"))
    for _ in range(data.draw(st.integers(0, 2))):
        at = data.draw(st.integers(0, len(whole) - 1))
        whole[at] = data.draw(st.sampled_from([0, 1, 10, 0x1E, 0x22, 0x2C, 0x7B, 0x80, 0x94, 0xA1, 255, whole[0]]))
    sent = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    found = at_once(codec, str, sent)
    if found:
        splitter, reader = codec.splitter(None), codec.reader(str)
        messages = [codec.decode(payload) for payload in splitter.feed(sent)]
        assert [(each.invocation_id, reader(each.item)) for each in messages if isinstance(each, StreamItem)] == found
        assert not splitter.pending


@pytest.mark.parametrize(
    "data",
    [
        b"",
        ITEM[:-1],
        ITEM + ITEM[:5],
        b"\x1e" + ITEM,
        ITEM[:-1] + b"\n" + ITEM,
        ITEM[:-2] + b',"x":[]}\x1e',
        b'{"type":2,"invocationId":"5","item":"a\x1e"}\x1e',
        b'{"type":2,"invocationId":"5","item":[1\x1e,2]}\x1e' + ITEM,
    ],
)
def test_json_in_another_form_is_left_to_the_codec(data: bytes) -> None:
    assert at_once(JSON, Any, data) == []


def test_json_that_could_be_too_deep_is_left_to_the_codec() -> None:
    deep: Any = []
    for _ in range(64):
        deep = [deep]
    assert at_once(JSON, Any, encoded(JSON, deep)) == []


def test_messagepack_with_long_lengths_or_wrong_ones_is_left_to_the_codec() -> None:
    item = encoded(MESSAGEPACK, 1)
    assert at_once(MESSAGEPACK, Any, item + encoded(MESSAGEPACK, "x" * 130)) == []
    assert at_once(MESSAGEPACK, Any, item[:-1]) == []
    assert at_once(MESSAGEPACK, Any, b"\x01\x02\x01\x02") == []
    wrong = bytes((item[0] + 1,)) + item[1:] + bytes((item[0] - 1,)) + item[1:]
    assert at_once(MESSAGEPACK, Any, wrong) == []


@pytest.mark.parametrize(
    ("codec", "data"),
    [
        (JSON, b'{"type":3,"invocationId":"5"}\x1e'),
        (JSON, b'{"invocationId":"5","type":2,"item":1}\x1e'),
        (JSON, b'{"type":2,"invocationId":"\\u0035","item":1}\x1e'),
        (JSON, b'{"type":2,"invocationId":"'),
        (MESSAGEPACK, b"\x02\x91\x06"),
        (MESSAGEPACK, b"\x04\x94\x02\x80"),
        (MESSAGEPACK, b"\x06\x94\x02\x80\xc0\xa0\x01"),
        (MESSAGEPACK, b""),
    ],
)
def test_other_messages_are_of_no_stream_that_is_seen_at_once(codec: Codec, data: bytes) -> None:
    assert codec.stream_of(data) == ""
