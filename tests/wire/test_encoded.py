"""A value that is encoded once: it stands for itself wherever it is put, and costs its encoding once for each codec."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from hubline.wire.codec import Codec
from hubline.wire.encoded import SHARED_IDS, Encoded
from hubline.wire.json import JsonCodec
from hubline.wire.messages import Completion, Invocation, StreamItem
from hubline.wire.msgpack import MessagePackCodec

CODECS: list[Codec] = [JsonCodec(), MessagePackCodec()]


@dataclass
class Person:
    first_name: Any


class Renamed(msgspec.Struct, rename="camel"):
    an_item: Any
    price: Any = Decimal("1.10")


VALUES: list[Any] = ["text", 5, None, {"a": [1]}, Person("Ada"), [Person("Ada")], Decimal("1.10"), Raw(b"5")]
PLACES: list[Any] = [lambda v: v, lambda v: [v, 1], lambda v: {"k": v}, Person]


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_it_stands_for_its_value_everywhere(codec: Codec, value: Any) -> None:
    encoded = Encoded(value)
    for place in PLACES:
        for _ in range(2):
            message, same = place(encoded), place(value)
            for make in (
                lambda v: Invocation(target="T", arguments=(v,)),
                lambda v: Completion(invocation_id="1", result=v),
                lambda v: StreamItem(invocation_id="1", item=v),
            ):
                assert codec.encode(make(message)) == codec.encode(make(same))
            encode = codec.item_encoder("1")
            assert encode(message) == encode(same) == codec.encode(StreamItem(invocation_id="1", item=same))


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
def test_within_a_struct_that_says_its_names_itself_it_keeps_those_of_its_own(codec: Codec) -> None:
    encoded = codec.encode(Completion(invocation_id="1", result=Renamed(Encoded(Person("Ada")))))
    name = b"firstName" if codec.name == "json" else b"FirstName"
    assert name in encoded
    assert b"anItem" in encoded


def test_each_codec_encodes_it_once() -> None:
    read: list[str] = []

    @dataclass
    class Noted:
        text: str

        def __getattribute__(self, name: str) -> Any:
            if name == "text":
                read.append(name)
            return super().__getattribute__(name)

    encoded = Encoded(Noted("x"))
    for codec in CODECS:
        encode = codec.item_encoder("1")
        for _ in range(10):
            encode(encoded)
            codec.encode(Invocation(target="T", arguments=(encoded,)))
    assert len(read) == len(CODECS)


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
def test_streams_with_the_same_id_share_their_encoder_unless_the_id_is_no_count(codec: Codec) -> None:
    assert codec.item_encoder("7") is codec.item_encoder("7")
    assert codec.item_encoder("7") is not codec.item_encoder("8")
    long = "7" * 1_000
    assert codec.item_encoder(long) is not codec.item_encoder(long)
    for name in ("7", "8", long):
        assert codec.item_encoder(name)("x") == codec.encode(StreamItem(invocation_id=name, item="x"))


def test_no_more_encoders_are_kept_than_a_peer_cannot_fill_memory_with() -> None:
    codec = JsonCodec()
    first = codec.item_encoder("first")
    for number in range(SHARED_IDS):
        codec.item_encoder(str(number))
    assert codec.item_encoder("first") is not first


def test_codecs_of_hubs_that_name_fields_differently_each_have_their_own() -> None:
    encoded = Encoded(Person("Ada"))
    forms = [
        JsonCodec(field_names=names).encode(Completion(invocation_id="1", result=encoded))
        for names in ("by_codec", "as_written")
    ]
    assert b"firstName" in forms[0]
    assert b"first_name" in forms[1]


def test_what_cannot_be_encoded_raises_where_it_is_sent_each_time() -> None:
    encoded = Encoded(object())
    for _ in range(2):
        with pytest.raises(TypeError):
            CODECS[0].item_encoder("1")(encoded)
    assert repr(encoded).startswith("Encoded(<object")
