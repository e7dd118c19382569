"""Subclasses of builtin types, and containers that msgspec does not know, go out as what they stand for."""

import array
import datetime as dt
import enum
import math
import types
from collections import ChainMap, Counter, OrderedDict, UserDict, UserList, UserString, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from hubline.wire.json import JsonCodec
from hubline.wire.messages import Completion, Invocation, StreamItem
from hubline.wire.msgpack import MessagePackCodec
from hubline.wire.plainer import plainer

JSON, MESSAGEPACK = JsonCodec(), MessagePackCodec()


class Money(Decimal):
    def __str__(self) -> str:
        return "a lot"


class Degrees(float):
    pass


class Count(int):
    pass


class Name(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "somebody"


class Blob(bytes):
    pass


class Buffer(bytearray):
    pass


class Moment(dt.datetime):
    @property
    def hour(self) -> int:
        return 99


class Day(dt.date):
    pass


class Clock(dt.time):
    pass


class Duration(dt.timedelta):
    @property
    def days(self) -> int:
        return 99


class Table(Mapping[str, Any]):
    """A mapping that is no dict."""

    def __init__(self, rows: dict[str, Any]) -> None:
        self._rows = rows

    def __getitem__(self, key: str) -> Any:
        return self._rows[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


class Rows(Sequence[Any]):
    """A sequence that is no list."""

    def __init__(self, *rows: Any) -> None:
        self._rows = rows

    def __getitem__(self, place: Any) -> Any:
        return self._rows[place]

    def __len__(self) -> int:
        return len(self._rows)


class Half(float, enum.Enum):
    ONE = 0.5


@dataclass
class Person:
    first_name: str


@dataclass
class Holder:
    value: Any


class Listed(msgspec.Struct, array_like=True):
    value: Any


class Tagged(msgspec.Struct, tag="t"):
    value: Any


class Typed(msgspec.Struct, tag="t"):
    """With a type that msgspec writes, and cannot read."""

    value: "deque[Decimal] | Mapping[str, Decimal]"


class Unknown(msgspec.Struct, tag="t"):
    """With a type that is not there while the program runs, as imports for type checkers are."""

    value: "NotThere"  # type: ignore[name-defined]  # noqa: F821


NOON = dt.datetime(2024, 1, 2, 12, 30, 1, 5, tzinfo=dt.UTC)
SCALARS = [
    (Money("1.50"), 1.5, "1.50"),
    (Money("NaN"), None, "NaN"),
    (Degrees(1.5), 1.5, 1.5),
    (Count(5), 5, 5),
    (Name("ada"), "ada", "ada"),
    (UserString("ada"), "ada", "ada"),
    (Blob(b"abc"), "YWJj", b"abc"),
    (Buffer(b"abc"), "YWJj", b"abc"),
    (Moment.fromtimestamp(NOON.timestamp(), dt.UTC), "2024-01-02T12:30:01.000005Z", NOON),
    (Day(2024, 1, 2), "2024-01-02", "2024-01-02"),
    (Clock(12, 30), "12:30:00", "12:30:00"),
    (Duration(1), "P1D", "P1D"),
    (Half.ONE, 0.5, 0.5),
]
"""Each with what JSON and what MessagePack makes of it."""

LISTS: list[Callable[[Any], Any]] = [
    lambda item: deque([item]),
    lambda item: {"a": item}.values(),
    lambda item: UserList([item]),
    lambda item: Rows(item),
]
DICTS: list[Callable[[Any], Any]] = [
    lambda item: types.MappingProxyType({"a": item}),
    lambda item: defaultdict(int, a=item),
    lambda item: OrderedDict(a=item),
    lambda item: ChainMap({"a": item}),
    lambda item: UserDict(a=item),
    lambda item: Table({"a": item}),
]
PLACES: list[Callable[[Any], Any]] = [lambda value: [value], lambda value: (value, 1), lambda value: {"k": value}]


def through(codec: str, value: Any) -> Any:
    """What arrives: as a result, as an item and as an argument, and of all the same."""
    if codec == "json":
        found = [
            msgspec.json.decode(JSON.encode(Completion(invocation_id="1", result=value))[:-1])["result"],
            msgspec.json.decode(JSON.encode(StreamItem(invocation_id="1", item=value))[:-1])["item"],
            msgspec.json.decode(JSON.item_encoder("1")(value)[:-1])["item"],
            msgspec.json.decode(JSON.encode(Invocation(target="T", arguments=(value,)))[:-1])["arguments"][0],
        ]
    else:
        found = [
            msgspec.msgpack.decode(MESSAGEPACK.encode(Completion(invocation_id="1", result=value))[1:])[-1],
            msgspec.msgpack.decode(MESSAGEPACK.encode(StreamItem(invocation_id="1", item=value))[1:])[-1],
            msgspec.msgpack.decode(MESSAGEPACK.item_encoder("1")(value)[1:])[-1],
            msgspec.msgpack.decode(MESSAGEPACK.encode(Invocation(target="T", arguments=(value,)))[1:])[4][0],
        ]
    first = found[0]
    assert found == [first] * 4
    return first


@pytest.mark.parametrize(("value", "in_json", "in_messagepack"), SCALARS, ids=lambda value: repr(value)[:40])
def test_subclasses_of_scalars(value: Any, in_json: Any, in_messagepack: Any) -> None:
    for codec, expected in (("json", in_json), ("messagepack", in_messagepack)):
        assert through(codec, value) == expected
        for place in PLACES:
            assert through(codec, place(value)) == through(codec, place(expected))
        assert through(codec, Listed(value)) == [expected]
        assert through(codec, Tagged([value])) == {"type": "t", "value": [expected]}


@pytest.mark.parametrize("make", LISTS)
def test_what_behaves_like_a_list(make: Callable[[Any], Any]) -> None:
    assert through("json", make(Person("ada"))) == [{"firstName": "ada"}]
    assert through("messagepack", make(Person("ada"))) == [{"FirstName": "ada"}]
    assert through("json", Holder({"k": make(1)})) == {"value": {"k": [1]}}
    assert through("json", Tagged(make(Person("ada")))) == {"type": "t", "value": [{"first_name": "ada"}]}
    assert through("json", Tagged(make(Decimal("1.5")))) == {"type": "t", "value": [1.5]}
    assert through("json", Listed(make(make(Money("1.5"))))) == [[[1.5]]]


@pytest.mark.parametrize("make", DICTS)
def test_what_behaves_like_a_dict(make: Callable[[Any], Any]) -> None:
    assert through("json", make(Person("ada"))) == {"a": {"firstName": "ada"}}
    assert through("messagepack", make(Person("ada"))) == {"a": {"FirstName": "ada"}}
    assert through("json", [make([1])]) == [{"a": [1]}]
    assert through("json", Tagged(make(Person("ada")))) == {"type": "t", "value": {"a": {"first_name": "ada"}}}
    assert through("json", Tagged(make(Decimal("1.5")))) == {"type": "t", "value": {"a": 1.5}}
    assert through("json", Listed(make(Money("NaN")))) == [{"a": None}]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (range(3), [0, 1, 2]),
        ({"a": 1}.keys(), ["a"]),
        ({"a": 1}.items(), [["a", 1]]),
        (frozenset([1]), [1]),
        (array.array("i", [1, 2]), [1, 2]),
        (Counter("aab"), {"a": 2, "b": 1}),
        ({Count(1): 2, Name("b"): 3}.keys(), [1, "b"]),
        (memoryview(b"abc"), "YWJj"),
        (Typed(deque([Decimal("1.5")])), {"type": "t", "value": [1.5]}),
        (Unknown([Decimal("1.5")]), {"type": "t", "value": [1.5]}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_more_containers(value: Any, expected: Any) -> None:
    assert through("json", value) == expected
    if not isinstance(value, Typed | Unknown | memoryview):
        assert through("messagepack", value) == expected


def test_subclasses_as_keys() -> None:
    for key, text in ((Money("1.5"), "1.5"), (Name("a"), "a"), (Count(2), "2"), (Degrees(0.5), "0.5")):
        assert through("json", {key: 1}) == {text: 1}


def test_numbers_that_are_none_stay_valid_json() -> None:
    assert through("json", [Degrees(math.nan), Degrees(-math.inf), Money("Infinity")]) == [None, None, None]


def test_what_would_be_used_up_has_no_form() -> None:
    for value in (iter([1]), map(str, [1]), (each for each in [1])):
        assert plainer(type(value)) is None
        for codec in (JSON, MESSAGEPACK):
            with pytest.raises(TypeError, match="no encoding for values"):
                codec.encode(Completion(invocation_id="1", result=value))
