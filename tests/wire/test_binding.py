import base64
import enum
import gc
import json
import uuid
import weakref
from collections.abc import Callable
from dataclasses import dataclass, make_dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
import pydantic
import pytest
from msgspec import Raw

from hubline.errors import BindingError
from hubline.wire.binding import MAXIMUM_READERS, Argument, Binder, Readers
from hubline.wire.codec import Codec
from tests.server.bench import CODECS


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Person:
    full_name: str
    age: int = 0


class Point(msgspec.Struct):
    at_x: int


class Model(pydantic.BaseModel):
    name: str = pydantic.Field(alias="theName")


def binder(*arguments: Argument) -> Binder:
    made = Binder("Target", arguments)
    for codec in CODECS.values():
        made.prepare(codec)
    return made


def raw(codec: Codec, values: Any) -> Raw:
    encode: Callable[[Any], bytes] = msgspec.json.encode if codec.name == "json" else msgspec.msgpack.encode
    return Raw(encode(values))


@pytest.fixture(params=list(CODECS))
def codec(request: pytest.FixtureRequest) -> Codec:
    return CODECS[request.param]


@pytest.mark.parametrize(
    ("kind", "sent", "bound"),
    [
        (int, 1, 1),
        (float, 1, 1.0),
        (str, "ü", "ü"),
        (Any, {"a": [1]}, {"a": [1]}),
        (int | None, None, None),
        (list[int], [1, 2], [1, 2]),
        (dict[str, int], {"a": 1}, {"a": 1}),
        (Colour, "red", Colour.RED),
        (Literal["a", "b"], "b", "b"),
        (uuid.UUID, "12345678-1234-5678-1234-567812345678", uuid.UUID("12345678-1234-5678-1234-567812345678")),
        (datetime, "2026-11-22T10:20:30Z", datetime(2026, 11, 22, 10, 20, 30, tzinfo=UTC)),
        (Annotated[int, msgspec.Meta(ge=0)], 3, 3),
    ],
    ids=str,
)
def test_a_value_becomes_what_the_hint_says(codec: Codec, kind: Any, sent: Any, bound: Any) -> None:
    assert binder(Argument("value", kind)).bind(codec, raw(codec, [sent])) == (bound,)


def test_bytes_are_base64_in_json_and_binary_in_messagepack() -> None:
    made = binder(Argument("value", bytes))
    packed = CODECS["messagepack"]
    assert made.bind(CODECS["json"], Raw(json.dumps([base64.b64encode(b"\x01\xff").decode()]).encode())) == (
        b"\x01\xff",
    )
    assert made.bind(packed, Raw(b"\x91\xc4\x02\x01\xff")) == (b"\x01\xff",)


def test_objects_have_the_names_of_their_codec() -> None:
    made = binder(Argument("person", Person), Argument("point", Point), Argument("model", Model))
    expected = (Person("Ada", 3), Point(1), Model(theName="x"))
    assert made.bind(CODECS["json"], Raw(b'[{"fullName":"Ada","age":3},{"atX":1},{"theName":"x"}]')) == expected
    packed = msgspec.msgpack.encode([{"FullName": "Ada", "Age": 3}, {"AtX": 1}, {"theName": "x"}])
    assert made.bind(CODECS["messagepack"], Raw(packed)) == expected


@pytest.mark.statement(112)
def test_the_number_of_arguments(codec: Codec) -> None:
    made = binder(Argument("a", int), Argument("b", int, default=2))
    assert made.bind(codec, raw(codec, [1])) == (1, 2)
    assert made.bind(codec, raw(codec, [1, 3])) == (1, 3)
    for given in ([], [1, 2, 3]):
        with pytest.raises(BindingError) as caught:
            made.bind(codec, raw(codec, given))
        text = f"Invocation provides {len(given)} argument(s) but target expects 2."
        assert caught.value.message == text
        assert caught.value.target == "Target"


def test_a_method_without_arguments(codec: Codec) -> None:
    assert binder().bind(codec, raw(codec, [])) == ()
    with pytest.raises(BindingError, match=r"Invocation provides 1 argument\(s\) but target expects 0\."):
        binder().bind(codec, raw(codec, [1]))


@pytest.mark.parametrize(
    ("arguments", "sent", "text"),
    [
        ([Argument("a", int), Argument("b", int)], [1, "x"], "expected `int`, got `str` at argument 2 (b)"),
        ([Argument("a", list[int])], [[1, "x"]], "expected `int`, got `str` at argument 1 (a[1])"),
        ([Argument("a", int), Argument("b", int, default=1)], ["x"], "expected `int`, got `str` at argument 1 (a)"),
        ([Argument("a", dict[str, int])], [{"k": "v"}], "expected `int`, got `str` at argument 1 (a[...])"),
        ([Argument("a", Colour)], ["blue"], "invalid enum value 'blue' at argument 1 (a)"),
    ],
)
def test_what_does_not_fit_is_named(codec: Codec, arguments: list[Argument], sent: Any, text: str) -> None:
    with pytest.raises(BindingError) as caught:
        binder(*arguments).bind(codec, raw(codec, sent))
    assert caught.value.message == text


@pydantic.dataclasses.dataclass
class Order:
    how_many: int = pydantic.Field(gt=0)


@dataclass
class Basket:
    all_orders: list[Order]


@pytest.mark.parametrize(
    ("kind", "sent", "text"),
    [
        (Model, {}, "`theName`: Field required at argument 2 (a)"),
        (Order, {"howMany": 0}, "`how_many`: Input should be greater than 0 at argument 2 (a)"),
        (Order | None, {"howMany": 0}, "`how_many`: Input should be greater than 0 at argument 2 (a)"),
        (
            Basket,
            {"allOrders": [{"howMany": 0}]},
            "`how_many`: Input should be greater than 0 at argument 2 (a.all_orders[...])",
        ),
        (Order, 5, "expected `object`, got `int` at argument 2 (a)"),
    ],
    ids=str,
)
def test_what_pydantic_refuses_is_told_in_one_line_with_its_place(
    codec: Codec, kind: Any, sent: Any, text: str
) -> None:
    with pytest.raises(BindingError) as caught:
        binder(Argument("first", int), Argument("a", kind)).bind(codec, raw(codec, [1, sent]))
    assert caught.value.message == text


@pytest.mark.parametrize(
    ("name", "malformed"),
    [
        ("json", b'["\xff"]'),
        ("json", b'["\\ud800"]'),
        ("json", b"[tru]"),
        ("json", b'["\x01"]'),
        ("messagepack", b"\x91\xa1\xff"),
        ("messagepack", b"\x91\xc1"),
        ("messagepack", b"\x92\xa1x"),
        ("messagepack", b"\x91\xdd\xff\xff\xff\xff"),
    ],
)
def test_malformed_values_are_a_binding_error_too(name: str, malformed: bytes) -> None:
    with pytest.raises(BindingError):
        binder(Argument("text", str)).bind(CODECS[name], Raw(malformed))


def test_defaults_may_be_anything_and_stay_the_same_object(codec: Codec) -> None:
    default = {"a": [1]}
    (value,) = binder(Argument("value", dict[str, Any], default=default)).bind(codec, raw(codec, []))
    assert value is default


@pytest.mark.parametrize("kind", [Callable[[], int], complex])
def test_a_type_without_form_on_the_wire_is_found_when_the_reader_is_made(kind: Any) -> None:
    with pytest.raises(TypeError):
        binder(Argument("value", kind))


def test_a_required_argument_behind_one_with_a_default_is_refused() -> None:
    with pytest.raises(TypeError):
        binder(Argument("a", int, default=1), Argument("b", int))


def test_readers_for_classes_that_are_made_for_each_call_are_let_go(codec: Codec) -> None:
    readers = Readers()
    classes = []
    for _ in range(MAXIMUM_READERS + 100):
        made = make_dataclass("Made", [("the_number", int)])
        classes.append(weakref.ref(made))
        assert readers.reader(codec, made)(raw(codec, {"theNumber": 5})).the_number == 5
    assert len(readers._known) == MAXIMUM_READERS
    gc.collect()
    assert sum(each() is not None for each in classes) <= MAXIMUM_READERS


def test_readers_are_made_once_for_each_type_and_codec(codec: Codec) -> None:
    readers = Readers()
    read = readers.reader(codec, list[int])
    assert readers.reader(codec, list[int]) is read
    assert readers.reader(codec, list[str]) is not read
    assert read(raw(codec, [1])) == [1]
    unhashable = Annotated[int, {}]
    assert readers.reader(codec, unhashable)(raw(codec, 5)) == 5
