"""Names of fields on their way out, in both codecs."""

import dataclasses
import enum
import gc
import json
import subprocess
import sys
import weakref
from collections import defaultdict, namedtuple
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, NamedTuple, TypedDict
from uuid import UUID

import attrs
import msgspec
import pydantic
import pytest
from msgspec import UNSET, Raw, Struct, UnsetType

from hubline.wire.foreign import is_pydantic_model
from hubline.wire.json import JsonCodec
from hubline.wire.messages import Completion, Invocation, Message, StreamInvocation, StreamItem
from hubline.wire.msgpack import MessagePackCodec
from hubline.wire.names import MAXIMUM_KNOWN, camel_case, names_are_free, pascal_case

JSON, MESSAGEPACK = JsonCodec(), MessagePackCodec()


def in_json(value: Any) -> Any:
    return msgspec.json.decode(JSON.encode(StreamItem(invocation_id="1", item=value))[:-1])["item"]


def in_messagepack(value: Any) -> Any:
    (payload,) = MESSAGEPACK.splitter(None).feed(MESSAGEPACK.encode(StreamItem(invocation_id="1", item=value)))
    return msgspec.msgpack.decode(payload)[3]


@dataclass
class Person:
    first_name: str
    age: int = 0
    friends: "list[Person] | None" = None


@dataclass
class Single:
    only_one: Any


@dataclass
class Empty:
    pass


class Free(Struct):
    first_name: str
    last_seen: date | None = None


class Brief(Struct, omit_defaults=True, kw_only=True):
    nick_name: str = "none"
    real_name: str
    tag_list: list[str] = msgspec.field(default_factory=list)


class Renamed(Struct, rename="kebab"):
    first_name: str
    inner_person: Any = None


class Tagged(Struct, tag=True):
    first_name: str


class Positional(Struct, array_like=True):
    first_name: str


class Model(pydantic.BaseModel):
    first_name: str = pydantic.Field(alias="FIRST")
    born_on: date


class Colour(enum.Enum):
    RED = "red"


class Number(enum.IntEnum):
    ONE = 1


class Shout(str):
    pass


class Point(NamedTuple):
    x_axis: int
    y_axis: Any


class Row(TypedDict):
    row_id: int


@pytest.mark.parametrize(
    ("name", "camel", "pascal"),
    [
        ("name", "name", "Name"),
        ("first_name", "firstName", "FirstName"),
        ("userId", "userId", "UserId"),
        ("Name", "name", "Name"),
        ("a_b_c", "aBC", "ABC"),
        ("class_", "class", "Class"),
        ("_private", "private", "Private"),
        ("http2_port", "http2Port", "Http2Port"),
        ("_", "_", "_"),
    ],
)
def test_names_in_both_conventions(name: str, camel: str, pascal: str) -> None:
    assert (camel_case(name), pascal_case(name)) == (camel, pascal)


def test_fields_of_dataclasses_are_renamed_at_any_depth() -> None:
    ada = Person("Ada", 36, [Person("Bob")])
    bob = {"firstName": "Bob", "age": 0, "friends": None}
    assert in_json({"in a_dict": [ada]}) == {"in a_dict": [{"firstName": "Ada", "age": 36, "friends": [bob]}]}
    assert in_messagepack((ada,)) == [
        {"FirstName": "Ada", "Age": 36, "Friends": [{"FirstName": "Bob", "Age": 0, "Friends": None}]}
    ]


def test_dataclasses_with_one_field_or_none() -> None:
    assert in_json([Single(Single(1)), Empty()]) == [{"onlyOne": {"onlyOne": 1}}, {}]


def test_fields_that_are_unset_are_left_out() -> None:
    @dataclass
    class Partly:
        the_name: str
        the_age: int | UnsetType = UNSET

    assert in_json(Partly("x")) == {"theName": "x"}


def test_structs_that_say_nothing_of_their_form_are_renamed() -> None:
    assert in_json(Free("Ada", date(2020, 1, 2))) == {"firstName": "Ada", "lastSeen": "2020-01-02"}
    assert in_messagepack(Free("Ada")) == {"FirstName": "Ada", "LastSeen": None}


def test_structs_that_omit_defaults_still_do() -> None:
    assert in_json(Brief(real_name="x")) == {"realName": "x"}
    assert in_json(Brief(real_name="x", nick_name="y", tag_list=["z"])) == {
        "nickName": "y",
        "realName": "x",
        "tagList": ["z"],
    }


def test_structs_with_a_form_of_their_own_are_left_alone() -> None:
    assert in_json([Renamed("a"), Tagged("b"), Positional("c")]) == [
        {"first-name": "a", "inner-person": None},
        {"type": "Tagged", "first_name": "b"},
        ["c"],
    ]
    assert in_messagepack(Renamed("a", Person("b", 1))) == {
        "first-name": "a",
        "inner-person": {"first_name": "b", "age": 1, "friends": None},
    }
    assert [names_are_free(kind) for kind in (Free, Brief, Renamed, Tagged, Positional)] == [
        True,
        True,
        False,
        False,
        False,
    ]


def test_models_of_pydantic_go_by_their_aliases() -> None:
    model = Model(FIRST="Ada", born_on=date(1815, 12, 10))
    expected = {"FIRST": "Ada", "born_on": "1815-12-10"}
    assert in_json({"model": model}) == {"model": expected}
    assert in_messagepack([model]) == [expected]
    assert in_json(Renamed("a", model)) == {"first-name": "a", "inner-person": expected}
    assert is_pydantic_model(Model)
    assert not is_pydantic_model(Person)
    assert not is_pydantic_model(list[Model])


def test_containers_of_every_kind_are_looked_into() -> None:
    someone = {"onlyOne": 1}
    assert in_json((Single(1), [Single(1)])) == [someone, [someone]]
    assert in_json(Point(1, Single(1))) == [1, someone]
    assert in_json(defaultdict(list, a_key=[Single(1)])) == {"a_key": [someone]}
    assert in_json({Colour.RED, Number.ONE}) in (["red", 1], [1, "red"])
    assert in_json(frozenset({1})) == [1]


def test_keys_of_dicts_are_data() -> None:
    row: Row = {"row_id": 1}
    assert in_json([row, {"a_b": {"c_d": Single(1)}}]) == [{"row_id": 1}, {"a_b": {"c_d": {"onlyOne": 1}}}]
    assert in_messagepack(row) == {"row_id": 1}


def test_scalars_of_every_kind() -> None:
    moment = datetime(2026, 11, 22, 10, 20, 30, 123456, tzinfo=UTC)
    values = [
        Colour.RED,
        Number.ONE,
        UUID(int=5),
        b"\x01\x02\x03\xff",
        moment,
        Shout("hey"),
        Decimal("1.10"),
        None,
        True,
    ]
    identifier = "00000000-0000-0000-0000-000000000005"
    assert in_json(values) == ["red", 1, identifier, "AQID/w==", "2026-11-22T10:20:30.123456Z", "hey", 1.1, None, True]
    assert in_messagepack(values) == ["red", 1, identifier, b"\x01\x02\x03\xff", moment, "hey", "1.10", None, True]


def test_values_with_nothing_to_rename_are_passed_on_as_they_are() -> None:
    named = JSON._named
    for value in ("x", [1, 2], (1, "x"), {"a": 1}, {1, 2}, Raw(b"1"), Tagged("x")):
        assert named(value) is value
    for values in ([1], (1,), Raw(b"[]")):
        assert named.each(values) is values


@pytest.mark.parametrize("kind", [Invocation, StreamInvocation])
def test_arguments_are_renamed(kind: Any) -> None:
    message: Message = kind(invocation_id="1", target="x", arguments=(1, Single(2)))
    assert msgspec.json.decode(JSON.encode(message)[:-1])["arguments"] == [1, {"onlyOne": 2}]
    assert b"\xa7OnlyOne" in MESSAGEPACK.encode(message)


def test_results_are_renamed() -> None:
    message = Completion(invocation_id="1", result=Single(2))
    assert JSON.encode(message) == b'{"type":3,"invocationId":"1","result":{"onlyOne":2}}\x1e'


def test_what_has_no_form_is_refused_by_name() -> None:
    class Opaque:
        pass

    with pytest.raises(TypeError, match=r"no encoding for values of type .*Opaque"):
        in_json([Opaque()])


def test_an_object_that_contains_itself_is_refused() -> None:
    loop = Single(None)
    loop.only_one = loop
    with pytest.raises(RecursionError):
        in_json(loop)


def test_every_field_of_a_dataclass_travels_once() -> None:
    names = [item.name for item in dataclasses.fields(Person)]
    assert list(in_json(Person("x"))) == [camel_case(name) for name in names]


def test_pydantic_is_never_imported_for_those_who_do_not_use_it() -> None:
    program = (
        "import sys; from hubline.wire.json import JsonCodec; from hubline.wire.messages import Completion;"
        "codec = JsonCodec(); codec.reader(list[int]); codec.encode(Completion(invocation_id='1', result={1, 2}));"
        "sys.exit('pydantic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


class Money(enum.Enum):
    UNKNOWN = Decimal("NaN")
    ONE = Decimal("1.50")


class Priced(Struct, rename="kebab"):
    the_price: Decimal
    inner_things: Any = None


class AnyTagged(Struct, tag=True):
    value: Any


class AnyPositional(Struct, array_like=True):
    value: Any


class Priceless(Struct, rename="kebab"):
    the_name: str


@dataclass
class Costing:
    the_price: Decimal
    others: list[Decimal] = dataclasses.field(default_factory=list)


NAN, INFINITY = float("nan"), float("inf")
NO_NUMBERS = [Decimal("NaN"), Decimal("sNaN"), Decimal("-Infinity"), Decimal("Infinity"), NAN, INFINITY, -INFINITY]


def refuse_constant(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


def strictly(payload: bytes) -> Any:
    """JSON as browsers read it: Python alone would take NaN and Infinity."""
    return json.loads(payload.removesuffix(b"\x1e"), parse_constant=refuse_constant)


@pytest.mark.parametrize("value", NO_NUMBERS, ids=str)
@pytest.mark.parametrize(
    "place",
    [
        lambda value: value,
        lambda value: [value],
        lambda value: (1, value),
        lambda value: {"a": {"b": [value]}},
        lambda value: Point(1, value),
        lambda value: Single(value),
        lambda value: Costing(Decimal(1), [value]),
        lambda value: Brief(real_name=value),
        lambda value: Priced(value),
        lambda value: Priced(Decimal(1), {"a": [value, Single(value), Priced(value)]}),
        lambda value: [Renamed("a", value), Renamed("b", [Renamed("c", value)])],
        lambda value: AnyTagged(value),
        lambda value: AnyPositional(value),
        lambda value: defaultdict(list, a=[value]),
    ],
)
def test_what_json_has_no_number_for_is_null_wherever_it_is(place: Any, value: Any) -> None:
    messages: list[Message] = [
        Completion(invocation_id="1", result=place(value)),
        StreamItem(invocation_id="1", item=place(value)),
        Invocation(target="T", arguments=(place(value), 1)),
    ]
    for message in messages:
        assert b"null" in JSON.encode(message)
        strictly(JSON.encode(message))
    assert JSON.item_encoder("1")(place(value)) == JSON.encode(messages[1])
    for message in messages:
        (payload,) = MESSAGEPACK.splitter(None).feed(MESSAGEPACK.encode(message))
        msgspec.msgpack.decode(payload)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("1.10"), "1.10"),
        (Decimal("-0"), "-0"),
        (Decimal("1E+400"), "1E+400"),
        (Decimal("1e-7"), "1E-7"),
        (Decimal(10**30), "1" + "0" * 30),
        ([Decimal("1.10")], "[1.10]"),
        (Priced(Decimal("1.10"), [Decimal(2)]), '{"the-price":1.10,"inner-things":[2]}'),
        (
            Priced(Decimal(1), {"a": Renamed("x")}),
            '{"the-price":1,"inner-things":{"a":{"first-name":"x","inner-person":null}}}',
        ),
        (Priced(Decimal(1), Raw(b'{"a":[1.10,"x"]}')), '{"the-price":1,"inner-things":{"a":[1.10,"x"]}}'),
        (Renamed("x", [Raw(b"1.10")]), '{"first-name":"x","inner-person":[1.10]}'),
        (Renamed("x", Shout("y")), '{"first-name":"x","inner-person":"y"}'),
        (Renamed("x", Money.ONE), '{"first-name":"x","inner-person":1.50}'),
        (Renamed("x", Single(Decimal(1))), '{"first-name":"x","inner-person":{"only_one":1}}'),
        (Money.ONE, "1.50"),
        (Money.UNKNOWN, "null"),
        ({Decimal("1.5"): 1, Decimal("NaN"): 2}, '{"1.5":1,"NaN":2}'),
        ({NAN: 1, INFINITY: 2}, '{"nan":1,"inf":2}'),
        ({Money.UNKNOWN: 1}, '{"NaN":1}'),
        (2**70, str(2**70)),
        (memoryview(b"abc"), '"YWJj"'),
        ("\x1e\u2028", '"\\u001e\u2028"'),
    ],
    ids=lambda value: str(value).split(" at 0x")[0],
)
def test_numbers_and_keys_are_valid_json(value: Any, text: str) -> None:
    encoded = JSON.encode(Completion(invocation_id="1", result=value))
    assert encoded.decode() == f'{{"type":3,"invocationId":"1","result":{text}}}\x1e'
    strictly(encoded)


@pytest.mark.parametrize(
    ("value", "in_both"),
    [("\ud800", True), ({"\ud800": 1}, True), (1j, True), (..., True), (2**64, False), ({2**70: 1}, False)],
    ids=ascii,
)
def test_what_has_no_form_is_an_error_of_the_call(value: Any, in_both: bool) -> None:
    for codec in (JSON, MESSAGEPACK) if in_both else (MESSAGEPACK,):
        for message in (Completion(invocation_id="1", result=value), Invocation(target="T", arguments=([value],))):
            with pytest.raises((TypeError, ValueError, OverflowError)):
                codec.encode(message)


@pytest.mark.parametrize("place", [lambda raw: raw, lambda raw: [raw], lambda raw: Single({"a": raw})])
def test_what_the_application_encoded_itself_is_looked_at(place: Any) -> None:
    good = {JSON: b'{"a":1.10}', MESSAGEPACK: b"\x81\xa1a\x01"}
    bad = {JSON: [b"NaN", b"", b"{", b"1 2", b'"\xff"', b'"\x1e"'], MESSAGEPACK: [b"", b"\x91", b'{"a":1}', b"\xc1"]}
    for codec in (JSON, MESSAGEPACK):
        assert good[codec] in codec.encode(Completion(invocation_id="1", result=place(Raw(good[codec]))))
        for payload in bad[codec]:
            with pytest.raises(ValueError, match=r"a Raw holds no|utf-8"):
                codec.encode(Completion(invocation_id="1", result=place(Raw(payload))))


def test_structs_that_can_hold_no_decimals_are_not_looked_into() -> None:
    value = Priceless("x")
    assert JSON._named(value) is value
    assert MESSAGEPACK._named(priced := Priced(Decimal(1))) is priced


@pytest.mark.parametrize("make", ["dataclass", "named tuple", "struct", "pydantic", "attrs"])
@pytest.mark.parametrize("codec", [JsonCodec(), MessagePackCodec()], ids=["json", "messagepack"])
def test_classes_that_are_made_for_each_call_are_let_go(codec: JsonCodec | MessagePackCodec, make: str) -> None:
    def fresh(number: int) -> Any:
        name = f"Made{number}"
        match make:
            case "dataclass":
                return dataclasses.make_dataclass(name, ["the_number"])(number)
            case "named tuple":
                make_one: Any = namedtuple
                return make_one(name, ["the_number"])(number)
            case "struct":
                return msgspec.defstruct(name, ["the_number"])(number)
            case "pydantic":
                return pydantic.create_model(name, the_number=(int, ...))(the_number=number)
        return attrs.make_class(name, ["the_number"])(number)

    kinds = []
    count = MAXIMUM_KNOWN + 100
    for number in range(count):
        value = fresh(number)
        kinds.append(weakref.ref(type(value)))
        payload = codec.encode(Completion(invocation_id="1", result=value))
        assert str(number).encode() in payload or codec.name == "messagepack"
    del value
    gc.collect()
    assert len(codec._named._learnt) <= MAXIMUM_KNOWN
    assert len(codec._named._writers) <= MAXIMUM_KNOWN + 10
    assert sum(kind() is not None for kind in kinds) <= MAXIMUM_KNOWN
    kept = fresh(count)
    first = codec.encode(Completion(invocation_id="1", result=kept))
    for number in range(MAXIMUM_KNOWN + 1):
        codec.encode(Completion(invocation_id="1", result=dataclasses.make_dataclass("Other", ["a"])(number)))
    assert codec.encode(Completion(invocation_id="1", result=kept)) == first


def test_ten_thousand_classes_leave_no_more_behind_than_a_thousand() -> None:
    codec = JsonCodec()

    def after(count: int) -> int:
        for number in range(count):
            kind = dataclasses.make_dataclass("Made", ["the_number"])
            assert codec.encode(Completion(invocation_id="1", result=kind(number))).endswith(
                b'{"theNumber":%d}}\x1e' % number
            )
        del kind
        gc.collect()
        return sum(each.__name__ == "Made" for each in gc.get_objects() if isinstance(each, type))

    few = after(1_000)
    assert few <= 2 * MAXIMUM_KNOWN  # the classes, and what is encoded in their place
    assert after(9_000) <= few


def test_names_can_be_left_as_they_are_written() -> None:
    as_it_is = JsonCodec(field_names="as_written"), MessagePackCodec(field_names="as_written")
    for codec in as_it_is:
        (payload,) = codec.splitter(None).feed(
            codec.encode(
                StreamItem(
                    invocation_id="1",
                    item=[
                        Person("Ada", 36, [Person("Bob")]),
                        Free("x"),
                        Brief(real_name="y"),
                        Renamed("z"),
                        _Attrs(1),
                        _Checked(2),
                    ],
                )
            )
        )
        item = codec.decode(payload)
        assert isinstance(item, StreamItem)
        found: Any = codec.reader(Any)(item.item)
        assert found == [
            {"first_name": "Ada", "age": 36, "friends": [{"first_name": "Bob", "age": 0, "friends": None}]},
            {"first_name": "x", "last_seen": None},
            {"real_name": "y"},
            {"first-name": "z", "inner-person": None},
            {"the_number": 1},
            {"the_number": 2},
        ]


@attrs.define
class _Attrs:
    the_number: int


@pydantic.dataclasses.dataclass
class _Checked:
    the_number: int


@pytest.mark.parametrize("name", ["first_name", "firstName", "FirstName", "FIRST_NAME", "firstname"])
@pytest.mark.parametrize("field_names", ["by_codec", "as_written"])
def test_names_are_read_in_every_form_whatever_is_written(name: str, field_names: Any) -> None:
    text = f'{{"{name}":"Ada"}}'
    assert JsonCodec(field_names=field_names).reader(Person)(Raw(text.encode())) == Person("Ada")
    packed = Raw(msgspec.msgpack.encode({name: "Ada"}))
    assert MessagePackCodec(field_names=field_names).reader(Person)(packed) == Person("Ada")
