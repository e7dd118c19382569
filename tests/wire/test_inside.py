"""Values with a form of their own inside of Structs that are left alone. Decimals are in test_names.py."""

import enum
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import msgspec
import pytest
from msgspec import Raw, Struct
from msgspec.msgpack import Ext

from hubline.wire.encoded import Encoded
from hubline.wire.messages import Completion, Invocation, Message, StreamItem
from hubline.wire.msgpack import MessagePackCodec

CODEC = MessagePackCodec()
NAIVE = datetime(2026, 11, 22, 10, 20, 30, 500_000)
AWARE = NAIVE.replace(tzinfo=UTC)


class Moment(datetime):
    """As pendulum's."""


class Release(enum.Enum):
    FIRST = NAIVE


class Tagged(Struct, tag=True):
    sent_at: datetime
    others: Any = None


class Listed(Struct, array_like=True):
    sent_at: datetime
    others: Any = None


class Renamed(Struct, rename="kebab"):
    sent_at: datetime | None
    others: list["Tagged"] | None = None


class Untimed(Struct, tag=True):
    first_name: str


@dataclass
class Note:
    sent_at: datetime


def forms(value: Any) -> list[Any]:
    """What a reader finds of a value in a result, an item, an argument, and an item that is encoded the short way."""
    messages: list[Message] = [
        Completion(invocation_id="1", result=value),
        StreamItem(invocation_id="1", item=value),
        Invocation(target="T", arguments=(value,)),
    ]
    payloads = [*map(CODEC.encode, messages), CODEC.item_encoder("1")(value)]
    read = [msgspec.msgpack.decode(*CODEC.splitter(None).feed(payload)) for payload in payloads]
    return [read[0][4], read[1][3], read[2][4][0], read[3][3]]


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (Tagged(NAIVE), {"type": "Tagged", "sent_at": AWARE, "others": None}),
        (Listed(NAIVE, [NAIVE]), [AWARE, [AWARE]]),
        (Listed(AWARE, {"at": NAIVE}), [AWARE, {"at": AWARE}]),
        (Renamed(NAIVE), {"sent-at": AWARE, "others": None}),
        (
            Renamed(None, [Tagged(NAIVE)]),
            {"sent-at": None, "others": [{"type": "Tagged", "sent_at": AWARE, "others": None}]},
        ),
        (Listed(AWARE, Note(NAIVE)), [AWARE, {"sent_at": AWARE}]),
        (Listed(AWARE, deque([NAIVE])), [AWARE, [AWARE]]),
        (Listed(AWARE, Release.FIRST), [AWARE, AWARE]),
        (Listed(AWARE, Encoded(NAIVE)), [AWARE, AWARE]),
        (Listed(AWARE, Encoded(Listed(NAIVE))), [AWARE, [AWARE, None]]),
        (Listed(Moment(2026, 11, 22, 10, 20, 30, 500_000)), [AWARE, None]),
        ([Listed(NAIVE)], [[AWARE, None]]),
        (Release.FIRST, AWARE),
        ({"at": Release.FIRST}, {"at": AWARE}),
    ],
)
def test_a_moment_without_a_zone_is_utc_in_messagepack_wherever_it_is(value: Any, read: Any) -> None:
    assert forms(value) == [read] * 4


def test_a_zone_that_is_there_counts() -> None:
    elsewhere = AWARE.astimezone(timezone(timedelta(hours=2)))
    assert forms(Listed(NAIVE, elsewhere)) == [[AWARE, AWARE]] * 4


@pytest.mark.parametrize(
    "value",
    [
        b"bytes",
        bytearray(b"bytes"),
        memoryview(b"bytes"),
        Ext(7, b"extension"),
        Raw(msgspec.msgpack.encode({"a": [1, 1.5]})),
        UUID(int=1),
        NAIVE.date(),
        NAIVE.time(),
        timedelta(seconds=3),
        (1, "text", None, True, 1.5),
        {"a": {1}, 2: "b"},
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_stands_beside_such_a_moment_keeps_its_form(value: Any) -> None:
    """The Struct is rewritten for the moment in it; with a zone it is not."""
    rewritten, as_it_was = forms(Listed(NAIVE, value)), forms(Listed(AWARE, value))
    assert rewritten == as_it_was
    assert list(map(type, rewritten[0])) == list(map(type, as_it_was[0]))


def test_a_struct_without_such_a_moment_is_not_copied() -> None:
    for value in (Tagged(AWARE, [1]), Listed(AWARE), Renamed(None), Untimed("Ada")):
        assert CODEC._named(value) is value
