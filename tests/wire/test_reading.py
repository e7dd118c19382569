"""From encoded values to types: names, kinds of values, and words for what does not fit."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Generic, NamedTuple, TypedDict, TypeVar
from uuid import UUID

import msgspec
import pydantic
import pytest
from msgspec import NODEFAULT, Meta, Raw, Struct, ValidationError

from hubline.wire.codec import Codec
from hubline.wire.incoming import preparation
from hubline.wire.json import JsonCodec
from hubline.wire.msgpack import MessagePackCodec
from hubline.wire.names import camel_case

JSON, MESSAGEPACK = JsonCodec(), MessagePackCodec()
T = TypeVar("T")


@dataclass
class Person:
    first_name: str
    age: int = 0
    friends: "list[Person]" = field(default_factory=list)


class Free(Struct, frozen=True):
    first_name: str
    partner: "Free | None" = None


class Strict(Struct, forbid_unknown_fields=True):
    first_name: str


class Renamed(Struct, rename="kebab"):
    first_name: str


class Tagged(Struct, tag="t"):
    first_name: str


class Model(pydantic.BaseModel):
    first_name: str = pydantic.Field(alias="FIRST")


class Row(TypedDict):
    row_id: int
    the_owner: Person


class Pair(NamedTuple):
    a_person: Person
    how_many: int


@dataclass
class Page(Generic[T]):
    all_items: list[T]


@dataclass
class Account:
    owner_id: UUID
    opened_at: datetime
    secret_key: bytes
    the_balance: Decimal
    by_number: dict[int, str]


def from_json(kind: Any, text: str) -> Any:
    return JSON.reader(kind)(Raw(text.encode()))


def from_messagepack(kind: Any, value: Any) -> Any:
    return MESSAGEPACK.reader(kind)(Raw(msgspec.msgpack.encode(value)))


ADA = Person("Ada", 36, [Person("Bob")])


def test_names_come_in_the_convention_of_the_codec() -> None:
    assert from_json(Person, '{"firstName":"Ada","age":36,"friends":[{"firstName":"Bob"}]}') == ADA
    found = from_messagepack(Person, {"FirstName": "Ada", "Age": 36, "Friends": [{"FirstName": "Bob"}]})
    assert found == ADA


def test_names_are_read_without_regard_to_case() -> None:
    assert from_json(Person, '{"FIRSTNAME":"Ada","Age":36,"fRIENDS":[{"firstname":"Bob"}]}') == ADA
    assert from_messagepack(Person, {"firstName": "Ada", "age": 36, "friends": [{"firstname": "Bob"}]}) == ADA


def test_unknown_fields_are_skipped_unless_a_struct_forbids_them() -> None:
    assert from_json(Person, '{"firstName":"Ada","x":1}') == Person("Ada")
    assert from_messagepack(Person, {"FirstName": "Ada", 5: 1}) == Person("Ada")
    assert from_json(Strict, '{"firstName":"Ada"}') == Strict("Ada")
    with pytest.raises(ValidationError, match="unknown field `x`"):
        from_json(Strict, '{"firstName":"Ada","x":1}')


ONE = '{"firstName":"Ada"}'


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        (list[Person], f"[{ONE}]", [Person("Ada")]),
        (set[Free], f"[{ONE}]", {Free("Ada")}),
        (frozenset[Free], f"[{ONE}]", frozenset({Free("Ada")})),
        (tuple[Person, ...], f"[{ONE}]", (Person("Ada"),)),
        (tuple[int, Person], f"[1,{ONE}]", (1, Person("Ada"))),
        (dict[str, Person], f'{{"a_b":{ONE}}}', {"a_b": Person("Ada")}),
        (dict[int, Person], f'{{"5":{ONE}}}', {5: Person("Ada")}),
        (Person | None, ONE, Person("Ada")),
        (Person | None, "null", None),
        (Person | str, '"x"', "x"),
        (list[Person] | Person, f"[{ONE}]", [Person("Ada")]),
        (list[Person] | Person, ONE, Person("Ada")),
        (list[int] | Person, "[1]", [1]),
        (Annotated[list[Person], Meta(description="x")] | Person, f"[{ONE}]", [Person("Ada")]),
        (Annotated[Person, Meta(description="x")], ONE, Person("Ada")),
        (Free, f'{{"firstName":"Bob","partner":{ONE}}}', Free("Bob", Free("Ada"))),
        (Page[Person], f'{{"allItems":[{ONE}]}}', Page([Person("Ada")])),
        (Page[int], '{"allItems":[1]}', Page([1])),
        (Row, f'{{"row_id":1,"the_owner":{ONE}}}', {"row_id": 1, "the_owner": Person("Ada")}),
        (Pair, f"[{ONE},2]", Pair(Person("Ada"), 2)),
        (Renamed, '{"first-name":"Ada"}', Renamed("Ada")),
        (Tagged, '{"type":"t","first_name":"Ada"}', Tagged("Ada")),
        (Renamed | None, "null", None),
        (Model, '{"FIRST":"Ada"}', Model(FIRST="Ada")),
        (list[Model | None], '[{"FIRST":"Ada"},null]', [Model(FIRST="Ada"), None]),
        (object, "[1]", [1]),
        (Any, ONE, {"firstName": "Ada"}),
    ],
    ids=str,
)
def test_names_are_found_inside_of(kind: Any, text: str, expected: Any) -> None:
    assert from_json(kind, text) == expected
    value = msgspec.json.decode(text)
    if kind != dict[int, Person]:
        assert from_messagepack(kind, value) == expected


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        (int, '"x"', r"Expected `int`, got `str`"),
        (list[int], '[1,"x"]', r"Expected `int`, got `str` - at `\$\[1\]`"),
        (Person, '{"firstName":5}', r"Expected `str`, got `int` - at `\$\.first_name`"),
        (Person, '{"age":5}', r"missing required field `first_name`"),
        (Person, "[]", r"Expected `object`, got `array`"),
        (list[Person], "{}", r"Expected `array`, got `object`"),
        (list[Person], "[5]", r"Expected `object`, got `int` - at `\$\[0\]`"),
        (dict[str, Person], "[]", r"Expected `object`, got `array`"),
        (Pair, "5", r"Expected `array`, got `int`"),
        (Model, "{}", r"FIRST"),
        (list[Model], '[{"FIRST":"x"},{"FIRST":5}]', r"at `\$\[1\]`"),
        (datetime, '"yesterday"', r"Invalid RFC3339"),
        (str, '"\\ud800"', r"the value is malformed"),
    ],
)
def test_what_does_not_fit_is_explained(kind: Any, text: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        from_json(kind, text)


@pytest.mark.parametrize("codec", [JSON, MESSAGEPACK], ids=lambda codec: codec.name)
def test_depth_that_python_cannot_follow_is_a_value_that_does_not_fit(codec: Codec) -> None:
    raw = Raw(b"[" * 50_000 + b"]" * 50_000 if codec is JSON else b"\x91" * 50_000 + b"\x05")
    for kind in (Any, list[Any], Person):
        with pytest.raises(ValidationError, match="the value is malformed"):
            codec.reader(kind)(raw)


def test_values_inside_of_objects_are_as_exact_as_anywhere() -> None:
    text = (
        '{"ownerId":"00000000-0000-0000-0000-000000000005","openedAt":"2026-11-22T10:20:30.1234567Z",'
        '"secretKey":"AQID/w==","theBalance":1.10,"byNumber":{"5":"x"}}'
    )
    moment = datetime(2026, 11, 22, 10, 20, 30, 123457, tzinfo=UTC)
    account = Account(UUID(int=5), moment, b"\x01\x02\x03\xff", Decimal("1.1"), {5: "x"})
    assert from_json(Account, text) == account
    assert (
        from_messagepack(
            Account,
            dict(
                zip(
                    ["OwnerId", "OpenedAt", "SecretKey", "TheBalance", "ByNumber"],
                    [str(account.owner_id), moment, account.secret_key, "1.1", {5: "x"}],
                    strict=True,
                )
            ),
        )
        == account
    )


def test_seven_digits_of_a_second_and_moments_without_a_zone_are_read() -> None:
    assert from_json(datetime, '"2026-11-22T10:20:30.1234567Z"').microsecond == 123457
    assert from_json(datetime, '"2026-11-22T10:20:30"') == datetime(2026, 11, 22, 10, 20, 30)
    timestamp = Raw(bytes.fromhex("d7ff1d5353006b02c1ee"))
    assert MESSAGEPACK.reader(datetime)(timestamp) == datetime(2026, 11, 22, 10, 20, 30, 123000, tzinfo=UTC)


def arguments(**types: Any) -> type[Struct]:
    """The list of arguments of a method, as the dispatcher makes it; a tuple is a type with its default."""

    def definition(name: str, kind: Any, default: Any = NODEFAULT) -> Any:
        return (name, kind) if default is NODEFAULT else (name, kind, msgspec.field(default_factory=lambda: default))

    fields = [definition(name, *(kind if isinstance(kind, tuple) else (kind,))) for name, kind in types.items()]
    return msgspec.defstruct("Arguments", fields, array_like=True, forbid_unknown_fields=True, gc=False)


def test_a_list_of_arguments_is_read_by_position() -> None:
    read = JSON.reader(arguments(who=Person, often=int, note=(str, "none")))
    found: Any = read(Raw(f"[{ONE},2]".encode()))
    assert (found.who, found.often, found.note) == (Person("Ada"), 2, "none")
    found = read(Raw(f'[{ONE},2,"x"]'.encode()))
    assert found.note == "x"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "at least length 2, got 0"),
        (f"[{ONE}]", "at least length 2, got 1"),
        (f'[{ONE},2,"x",4]', "at most length 3"),
        ('[{"firstName":5},2]', r"Expected `str`, got `int` - at `\$\[0\]\.first_name`"),
        (f'[{ONE},"2"]', r"Expected `int`, got `str` - at `\$\[1\]`"),
        ("{}", "Expected `array`, got `object`"),
    ],
)
def test_arguments_that_do_not_fit_are_explained(text: str, words: str) -> None:
    read = JSON.reader(arguments(who=Person, often=int, note=(str, "none")))
    with pytest.raises(ValidationError, match=words):
        read(Raw(text.encode()))


def test_where_nothing_is_to_be_renamed_msgspec_reads_alone() -> None:
    for kind in (int, list[str], dict[str, Any], Renamed, Tagged, Model, arguments(a=int, b=(str, ""))):
        assert preparation(kind, camel_case) is None


class Opaque:
    pass


class Closed(Struct, rename="kebab"):
    some_thing: Opaque


def test_a_type_without_a_form_inside_of_a_struct_that_is_left_alone_never_fits() -> None:
    with pytest.raises(ValidationError, match="no encoding for values"):
        from_json(Closed, '{"some-thing":1}')


@pytest.mark.parametrize(
    "kind", [Opaque, list[Opaque], dict[str, Opaque | None], arguments(a=Person, b=Opaque), Callable[[], int]]
)
def test_a_type_without_a_form_is_refused_before_anything_is_read(kind: Any) -> None:
    for codec in (JSON, MESSAGEPACK):
        with pytest.raises(TypeError, match="no encoding for values"):
            codec.reader(kind)


def test_defaults_are_made_by_the_type_itself() -> None:
    assert from_json(Person, ONE).friends == []
