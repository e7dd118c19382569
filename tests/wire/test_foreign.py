"""Classes of Pydantic and attrs: everything they say of their values counts, in both codecs and both directions."""

import dataclasses
import subprocess
import sys
from datetime import date, datetime
from typing import Annotated, Any, NamedTuple, TypedDict

import annotated_types
import attrs
import msgspec
import pydantic
import pytest
from msgspec import Raw, Struct, ValidationError

from hubline.wire.codec import Codec
from hubline.wire.foreign import attribute_names, is_pydantic_dataclass, is_pydantic_model
from hubline.wire.json import JsonCodec
from hubline.wire.messages import Completion
from hubline.wire.msgpack import MessagePackCodec

JSON, MESSAGEPACK = JsonCodec(), MessagePackCodec()


@pytest.fixture(params=[JSON, MESSAGEPACK], ids=["json", "messagepack"])
def codec(request: pytest.FixtureRequest) -> Codec:
    found: Codec = request.param
    return found


def written(codec: Codec, value: Any) -> Raw:
    """The bytes of a value as a result."""
    (payload,) = codec.splitter(None).feed(codec.encode(Completion(invocation_id="1", result=value)))
    message = codec.decode(payload)
    assert isinstance(message, Completion)
    assert isinstance(message.result, Raw)
    return message.result


def plain(codec: Codec, value: Any) -> Any:
    """What a client sees of it."""
    return codec.reader(Any)(written(codec, value))


def sent(codec: Codec, value: Any) -> Raw:
    return Raw(msgspec.json.encode(value) if codec is JSON else msgspec.msgpack.encode(value))


@dataclasses.dataclass
class Place:
    street_name: str


@pydantic.dataclasses.dataclass
class Order:
    how_many: int = pydantic.Field(gt=0)
    sent_to: Place | None = None
    secret_key: bytes = b""
    due_on: date | None = None
    notes: list[str] = dataclasses.field(default_factory=list)

    @pydantic.field_validator("notes")
    @classmethod
    def _clean(cls, notes: list[str]) -> list[str]:
        return [note.strip() for note in notes]


@pydantic.dataclasses.dataclass
class Aliased:
    first_name: str = pydantic.Field(alias="FIRST")
    last_name: str = ""
    hidden_mark: str = pydantic.Field(default="x", exclude=True)


@dataclasses.dataclass
class Derived(Order):
    extra_field: int = 0


@dataclasses.dataclass
class Basket:
    the_order: Order
    others: "list[Order]" = dataclasses.field(default_factory=list)


class Box(Struct):
    the_order: Order


class Alone(Struct, rename="kebab"):
    the_order: Order


class Left(Struct, tag="left"):
    order: Order


class Right(Struct, tag="right"):
    order: int


class Listed(Struct, array_like=True, tag="listed"):
    order: Order


class Counted(Struct, array_like=True, tag="counted"):
    count: int


class Row(TypedDict):
    order: Order


class Pair(NamedTuple):
    order: Order
    often: int


@pydantic.dataclasses.dataclass
class Tree:
    depth: int = pydantic.Field(ge=0)
    children: "list[Tree]" = dataclasses.field(default_factory=list)


def test_they_are_known_without_importing_their_libraries() -> None:
    program = (
        "import sys, hubline; assert not {'pydantic', 'attrs', 'attr', 'fastapi'} & set(sys.modules), "
        "sorted({'pydantic', 'attrs', 'attr', 'fastapi'} & set(sys.modules))"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    assert [is_pydantic_dataclass(kind) for kind in (Order, Derived, Place, pydantic.BaseModel, 5)] == [
        True,
        True,
        False,
        False,
        False,
    ]
    assert is_pydantic_model(pydantic.BaseModel)
    assert [attribute_names(kind) for kind in (Place, Fixed, int)] == [("street_name",), ("the_name",), ()]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Order, lambda order: order),
        (Order | None, lambda order: order),
        (list[Order] | Order, lambda order: order),
        (list[Order], lambda order: [order]),
        (dict[str, Order], lambda order: {"a_b": order}),
        (tuple[int, Order], lambda order: (1, order)),
        (Basket, Basket),
        (Box, Box),
        (Alone, Alone),
        (Left | Right, Left),
        (Listed | Counted, Listed),
        (Row, lambda order: {"order": order}),
        (Pair, lambda order: Pair(order, 1)),
        (Annotated[Order, "note"], lambda order: order),
    ],
)
def test_a_dataclass_of_pydantics_is_validated_by_pydantic_wherever_it_is(codec: Codec, kind: Any, value: Any) -> None:
    good = Order(2, Place("x"), b"\x01\xff", date(2024, 1, 2), ["a"])
    read: Any = codec.reader(kind)
    assert read(written(codec, value(good))) == value(good)
    bad = Order(2)
    bad.how_many = 0
    with pytest.raises(ValidationError, match="`how_many`: Input should be greater than 0"):
        read(written(codec, value(bad)))
    untidy = Order(2)
    untidy.notes = [" a "]
    assert read(written(codec, value(untidy))) == value(Order(2, notes=["a"]))


def test_its_fields_have_the_names_that_fields_of_dataclasses_have(codec: Codec) -> None:
    order = Order(2, Place("x"))
    rename = str.upper if codec is MESSAGEPACK else str
    first = [name[0] for name in plain(codec, order)]
    assert first == [rename(each) for each in "hssdn"]
    assert "howMany" in plain(JSON, order)
    assert codec.reader(Order)(sent(codec, {"HOWMANY": 2, "sent_to": {"street_name": "x"}})) == order
    assert codec.reader(Order)(sent(codec, {"how_many": "2"})).how_many == 2  # as lax as Pydantic is


def test_an_alias_is_the_name_on_the_wire_in_both_directions(codec: Codec) -> None:
    value = Aliased(FIRST="Ada", last_name="L")
    assert plain(codec, value) == {"FIRST": "Ada", "lastName" if codec is JSON else "LastName": "L"}
    assert codec.reader(Aliased)(written(codec, value)) == value


def test_an_ordinary_dataclass_that_derives_from_one_is_validated_too(codec: Codec) -> None:
    value = Derived(2, extra_field=3)
    assert codec.reader(Derived)(written(codec, value)) == value
    with pytest.raises(ValidationError, match="greater than 0"):
        codec.reader(Derived)(sent(codec, {"howMany": 0}))


def test_one_that_contains_itself(codec: Codec) -> None:
    value = Tree(1, [Tree(2, [Tree(3)])])
    assert codec.reader(Tree)(written(codec, value)) == value
    with pytest.raises(ValidationError, match="`depth`: Input should be greater than or equal to 0"):
        codec.reader(Tree)(sent(codec, {"depth": 1, "children": [{"depth": 2, "children": [{"depth": -1}]}]}))


def test_what_fits_no_shape_is_left_to_msgspec(codec: Codec) -> None:
    cases: list[tuple[Any, Any]] = [
        (Order, []),
        (Left | Right, {"type": "none"}),
        (Left | Right, {}),
        (Listed | Counted, []),
    ]
    for kind, value in cases:
        with pytest.raises(ValidationError):
            codec.reader(kind)(sent(codec, value))


def test_serializers_and_computed_fields_are_asked(codec: Codec) -> None:
    @pydantic.dataclasses.dataclass
    class Shown:
        the_card: str
        sent_to: Place

        @pydantic.field_serializer("the_card")
        def _hide(self, card: str) -> str:
            return "*" * len(card)

        @pydantic.computed_field  # type: ignore[prop-decorator]
        @property
        def how_long(self) -> int:
            return len(self.the_card)

    @pydantic.dataclasses.dataclass
    class AsText:
        name: str

        @pydantic.model_serializer
        def _text(self) -> str:
            return self.name

    expected = ["***", {"street_name": "x"}, 3]
    assert list(plain(codec, Shown("abc", Place("x"))).values()) == expected
    assert next(iter(plain(codec, Shown("abc", Place("x"))))) == ("theCard" if codec is JSON else "TheCard")
    assert plain(codec, [AsText("x")]) == ["x"]


@attrs.define
class Person:
    first_name: str
    _secret_word: str = "none"
    age: int = attrs.field(default=1, validator=attrs.validators.ge(0), alias="years")
    seen_at: datetime | None = None
    made: int = attrs.field(init=False, default=7)


@attrs.define
class Team:
    all_members: list[Person]


@attrs.frozen
class Fixed:
    the_name: str


@attrs.define
class Converting:
    how_many: int = attrs.field(converter=int)


def test_classes_of_attrs_are_read_under_the_names_they_are_written_with(codec: Codec) -> None:
    team = Team([Person("Ada", "word", 36, None), Person("Bob")])
    names = ["firstName", "secretWord", "age", "seenAt", "made"]
    if codec is MESSAGEPACK:
        names = [name[0].upper() + name[1:] for name in names]
    assert list(next(iter(plain(codec, team).values()))[0]) == names
    assert codec.reader(Team)(written(codec, team)) == team
    assert codec.reader(Fixed)(written(codec, Fixed("x"))) == Fixed("x")
    with pytest.raises(ValidationError, match="'age' must be >= 0"):
        codec.reader(Person)(sent(codec, {"first_name": "Ada", "AGE": -1}))


@dataclasses.dataclass
class Plainly:
    how_many: Annotated[int, pydantic.Field(gt=0)]


class Looking(Struct):
    inner: list[Plainly]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Annotated[int, pydantic.Field(gt=0)], "Pydantic's models and dataclasses only"),
        (list[Annotated[int, annotated_types.Gt(0)]], "Gt"),
        (pydantic.PositiveInt | None, "Gt"),
        (Annotated[str, pydantic.AfterValidator(str.strip)], "AfterValidator"),
        (Plainly, r"\(how_many\)"),
        (Looking, r"\(inner\.how_many\)"),
        (Converting, "Converting.how_many has a converter"),
        (list[Converting], "converter"),
    ],
    ids=str,
)
def test_what_would_be_skipped_is_refused_before_anything_is_read(codec: Codec, kind: Any, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        codec.reader(kind)


@pytest.mark.parametrize(
    "kind",
    [
        Annotated[int, pydantic.Field(description="how many")],
        Annotated[int, msgspec.Meta(gt=0)],
        Annotated[int, "note"],
        list[Order],
    ],
    ids=str,
)
def test_what_only_describes_is_not(codec: Codec, kind: Any) -> None:
    codec.reader(kind)
