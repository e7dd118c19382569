"""Names of fields on their way out, in both codecs."""

import dataclasses
import enum
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, NamedTuple, TypedDict
from uuid import UUID

import msgspec
import pydantic
import pytest
from msgspec import UNSET, Raw, Struct, UnsetType

from hubline.wire.json import JsonCodec
from hubline.wire.messages import Completion, Invocation, Message, StreamInvocation, StreamItem
from hubline.wire.msgpack import MessagePackCodec
from hubline.wire.names import camel_case, is_pydantic_model, names_are_free, pascal_case

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

    with pytest.raises(TypeError, match=r"Opaque have no form on the wire"):
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
