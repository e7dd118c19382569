"""Dates and times at the edges, as ASP.NET Core 10 takes them (asked from a running server on 2026-11-28)."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any, NamedTuple, TypedDict

import msgspec
import pydantic
import pytest
from msgspec import Raw, Struct, ValidationError

from hubline.wire.json import JsonCodec
from hubline.wire.moments import moment_text, time_text, within_the_last_second
from hubline.wire.msgpack import MessagePackCodec

JSON, MESSAGEPACK = JsonCodec(), MessagePackCodec()
LAST = datetime.max


def from_json(kind: Any, value: Any) -> Any:
    return JSON.reader(kind)(Raw(msgspec.json.encode(value)))


def timestamp(seconds: int, nanoseconds: int) -> bytes:
    return b"\xc7\x0c\xff" + nanoseconds.to_bytes(4) + seconds.to_bytes(8, signed=True)


TAKEN = {
    "9999-12-31T23:59:59.9999999": LAST,
    "9999-12-31T23:59:59.9999999Z": LAST.replace(tzinfo=UTC),
    "9999-12-31T23:59:59.9999994Z": LAST.replace(tzinfo=UTC),
    "9999-12-31T23:59:59.9999999+01:00": LAST.replace(tzinfo=timezone(timedelta(hours=1))),
    "0001-01-01T00:00:00": datetime.min,
    "0001-01-01T00:00:00Z": datetime.min.replace(tzinfo=UTC),
    "2024-01-02T03:04:05.9999999Z": datetime(2024, 1, 2, 3, 4, 6, tzinfo=UTC),
    "2024-01-02T03:04:05.1": datetime(2024, 1, 2, 3, 4, 5, 100_000),
    "2024-01-02T03:04": datetime(2024, 1, 2, 3, 4),
    "2024-01-02T03:04Z": datetime(2024, 1, 2, 3, 4, tzinfo=UTC),
    "2024-01-02T03:04+02:00": datetime(2024, 1, 2, 3, 4, tzinfo=timezone(timedelta(hours=2))),
    "2024-01-02T03:04:05+02": datetime(2024, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=2))),
    "2024-01-02T03:04:05-14:00": datetime(2024, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=-14))),
    "2024-01-02": datetime(2024, 1, 2),
}
REFUSED = [
    *("2024-01-02T03", "2024-01", "2024", "2024-01-02Z", "2024-01-02T24:00:00", "2024-01-02T23:59:60", "2024-02-30"),
    *("10000-01-01", "", " 2024-01-02", "2024-01-02T03:04:05.", "2024-W01-1", "20240102", "2024-01-02T25:00"),
    *("2024-01-02\n", "\N{FULLWIDTH DIGIT TWO}024-01-02", 0, 1704164645, 1704164645.5, None),
]


@pytest.mark.parametrize("text", TAKEN)
def test_what_the_original_takes_for_a_date_is_taken_in_both_codecs(text: str) -> None:
    assert from_json(datetime, text) == TAKEN[text]
    assert from_json(datetime, text).tzinfo == TAKEN[text].tzinfo
    assert MESSAGEPACK.reader(datetime)(Raw(msgspec.msgpack.encode(text))) == TAKEN[text]


@pytest.mark.parametrize("value", REFUSED, ids=repr)
def test_what_the_original_refuses_is_refused(value: Any) -> None:
    with pytest.raises(ValidationError, match=r"Invalid RFC3339|Expected `datetime`"):
        from_json(datetime, value)


@dataclass
class Event:
    starts_at: datetime
    title: str = ""
    ends_at: datetime | None = None


class Free(Struct):
    starts_at: datetime


class Renamed(Struct, rename="kebab"):
    starts_at: datetime
    title: str = ""


class Tagged(Struct, tag="tagged"):
    starts_at: datetime


class Other(Struct, tag="other"):
    starts_at: str


class Row(TypedDict):
    starts_at: datetime


class Pair(NamedTuple):
    title: str
    starts_at: datetime


@pydantic.dataclasses.dataclass
class Checked:
    starts_at: datetime


DAY = datetime(2024, 1, 2)


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (list[datetime], ["2024-01-02"], [DAY]),
        (datetime | None, "2024-01-02", DAY),
        (datetime | int | None, "2024-01-02", DAY),
        (tuple[str, datetime], ["2024-01-02", "2024-01-02"], ("2024-01-02", DAY)),
        (dict[str, datetime], {"2024-01-02": "2024-01-02"}, {"2024-01-02": DAY}),
        (dict[str, list[datetime | None]], {"a": [None, "2024-01-02"]}, {"a": [None, DAY]}),
        (
            Event,
            {"startsAt": "2024-01-02", "title": "2024-01-02", "endsAt": "2024-01-02"},
            Event(DAY, "2024-01-02", DAY),
        ),
        (list[Event] | Event, [{"startsAt": "2024-01-02"}], [Event(DAY)]),
        (Free, {"startsAt": "2024-01-02"}, Free(DAY)),
        (Renamed, {"starts-at": "2024-01-02", "title": "2024-01-02"}, Renamed(DAY, "2024-01-02")),
        (Tagged | Other, {"type": "tagged", "starts_at": "2024-01-02"}, Tagged(DAY)),
        (Tagged | Other, {"type": "other", "starts_at": "2024-01-02"}, Other("2024-01-02")),
        (Row, {"starts_at": "2024-01-02"}, {"starts_at": DAY}),
        (Pair, ["2024-01-02", "2024-01-02"], Pair("2024-01-02", DAY)),
        (Checked, {"startsAt": "2024-01-02"}, Checked(DAY)),
    ],
    ids=str,
)
def test_dates_are_found_wherever_they_are_and_texts_stay_texts(kind: Any, value: Any, expected: Any) -> None:
    assert from_json(kind, value) == expected
    assert MESSAGEPACK.reader(kind)(Raw(msgspec.msgpack.encode(value))) == expected


def test_the_error_is_that_of_the_value_which_does_not_fit() -> None:
    with pytest.raises(ValidationError, match=r"Expected `str`, got `int` - at `\$\.title`"):
        from_json(Event, {"startsAt": "2024-01-02T03:04:05", "title": 5})
    with pytest.raises(ValidationError, match=r"Invalid RFC3339 encoded datetime - at `\$\[1\]`"):
        from_json(list[datetime], ["2024-01-02T03:04:05", "soon"])


@pytest.mark.parametrize("nanoseconds", [999_999_900, 999_999_999, 999_999_500, 999_999_499, 999_000_001])
def test_the_last_moment_as_a_timestamp(nanoseconds: int) -> None:
    raw = timestamp(253_402_300_799, nanoseconds)
    expected = LAST.replace(tzinfo=UTC, microsecond=nanoseconds // 1_000)
    assert MESSAGEPACK.reader(datetime)(Raw(raw)) == expected
    assert MESSAGEPACK.reader(list[Any])(Raw(b"\x92\x01" + raw)) == [1, expected]
    assert MESSAGEPACK.reader(Event)(Raw(b"\x81\xa8StartsAt" + raw)) == Event(expected)


def test_timestamps_of_both_ends() -> None:
    read = MESSAGEPACK.reader(datetime)
    assert read(Raw(timestamp(-62_135_596_800, 0))) == datetime.min.replace(tzinfo=UTC)
    assert read(Raw(timestamp(1_704_164_645, 999_999_900))) == datetime(2024, 1, 2, 3, 4, 6, tzinfo=UTC)
    for seconds in (253_402_300_800, -62_135_596_801):
        with pytest.raises(ValidationError):
            read(Raw(timestamp(seconds, 0)))


def test_nothing_but_timestamps_of_the_last_second_is_touched() -> None:
    other = b"\x93" + timestamp(253_402_300_799, 999_999_499) + timestamp(1_704_164_645, 999_999_900) + b"\xa1x"
    assert within_the_last_second(other) == other.replace((999_999_499).to_bytes(4), (999_999_000).to_bytes(4))
    for payload in (timestamp(253_402_300_798, 999_999_900), timestamp(253_402_300_799, 5), b"", b"\xc7\x0c\xff"):
        assert within_the_last_second(payload) == payload


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("23:59:59.9999999", time.max),
        ("23:59:59.9999999Z", time.max.replace(tzinfo=UTC)),
        ("03:04", time(3, 4)),
        ("03:04Z", time(3, 4, tzinfo=UTC)),
        ("03:04:05", time(3, 4, 5)),
        ("03:04:05.1234567", time(3, 4, 5, 123_457)),
        ("22:59:59.9999999", time(23)),
    ],
)
def test_times_of_a_day(text: str, expected: time) -> None:
    assert from_json(time, text) == expected
    assert from_json(list[time | None], [text, None]) == [expected, None]
    assert MESSAGEPACK.reader(time)(Raw(msgspec.msgpack.encode(text))) == expected


@pytest.mark.parametrize("value", ["3:04", "", "24:00", 5, None])
def test_what_is_no_time(value: Any) -> None:
    with pytest.raises(ValidationError):
        from_json(time, value)


def test_a_date_is_a_date_and_no_moment() -> None:
    assert from_json(date, "9999-12-31") == date.max
    with pytest.raises(ValidationError):
        from_json(date, "2024-01-02T00:00:00")


@pytest.mark.parametrize("value", [5, None, "x", ["2024-01-02"]], ids=str)
def test_what_is_no_text_of_a_date_is_given_back(value: Any) -> None:
    assert moment_text(value) is value
    assert time_text(value) is value
