from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Any

import pytest
from pydantic import BaseModel

from hubline.runs.values import (
    cut,
    fingerprint,
    json_schema,
    pieces,
    plain,
    read_answer,
    sent,
    text_size,
    whole_characters,
)


class Color(Enum):
    RED = "red"


@dataclass
class Point:
    x: int
    at: date


class Choice(BaseModel):
    file: str
    sure: bool = True


def test_values_become_plain_copies() -> None:
    inner = [1]
    value = plain({"p": Point(1, date(2026, 1, 2)), "c": Color.RED, "m": Choice(file="a"), "l": inner, 7: None})
    inner.append(2)
    assert value == {
        "p": {"x": 1, "at": "2026-01-02"},
        "c": "red",
        "m": {"file": "a", "sure": True},
        "l": [1],
        "7": None,
    }
    with pytest.raises(TypeError, match="has no form in JSON"):
        plain(object())
    with pytest.raises(TypeError, match="more than 64 bits"):
        plain([2**64])
    assert plain({"caf\udce9": ["\ud83d\ude00", 1]}) == {"caf\ufffd": ["\U0001f600", 1]}
    assert plain({"loss": [float("nan"), -float("inf"), 1.5, None], "text": "null"}) == {
        "loss": [None, None, 1.5, None],
        "text": "null",
    }


def test_what_clients_send_is_not_replaced() -> None:
    assert sent({"a": [1.5, None, "null"]}) == {"a": [1.5, None, "null"]}
    for value in (float("nan"), [float("inf")], {"a": {"b": -float("inf")}}, object()):
        with pytest.raises(TypeError, match="no form in JSON"):
            sent(value)


def test_a_value_is_only_as_deep_as_clients_read() -> None:
    def nested(levels: int) -> list[Any]:
        return [nested(levels - 1)] if levels > 1 else []

    wide: list[Any] = [[]] * 100
    for value in (nested(32), wide):
        assert plain(value) == value
    for levels in (33, 100):
        with pytest.raises(TypeError, match="32 levels"):
            plain(nested(levels))
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(TypeError, match="32 levels"):
        plain(endless)


@pytest.mark.parametrize("text", ["", "a" * 100, "\u00e4" * 50, "\U0001f600" * 30, "a\U0001f600" * 20])
@pytest.mark.parametrize("size", [4, 5, 7, 64])
def test_text_is_cut_between_characters(text: str, size: int) -> None:
    found = pieces(text, size)
    assert "".join(found) == text
    assert all(text_size(piece) <= size for piece in found)
    head, rest = cut(text, size)
    assert (head + rest, text_size(head) <= size) == (text, True)


def test_halves_of_characters_are_joined_or_replaced() -> None:
    assert whole_characters("a\u00e4") == "a\u00e4"
    assert whole_characters("\ud83d\ude00") == "\U0001f600"
    assert whole_characters("a\ud83d") == "a\ufffd"


def test_answers_are_read_as_what_was_asked_for() -> None:
    assert json_schema(bool) == {"type": "boolean"}
    assert read_answer({"x": 1, "at": "2026-01-02"}, Point) == Point(1, date(2026, 1, 2))
    assert read_answer({"file": "a"}, Choice) == Choice(file="a")
    assert json_schema(Choice)["properties"]["file"]["type"] == "string"
    for value, kind in (("yes", bool), ({"x": "1"}, Point), ({}, Choice)):
        with pytest.raises(ValueError):
            read_answer(value, kind)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (({"a": 1, "b": 2},), ({"b": 2, "a": 1},), True),
        (({1, 2, 3},), ({3, 2, 1},), True),
        ((Point(1, date(2026, 1, 2)),), (Point(1, date(2026, 1, 2)),), True),
        ((Choice(file="a"),), (Choice(file="b"),), False),
        (("a", "b"), ("ab",), False),
        ((1,), ("1",), False),
        ((object(),), (object(),), False),
    ],
)
def test_equal_requests_have_equal_fingerprints(one: Any, other: Any, same: bool) -> None:
    assert (fingerprint(*one) == fingerprint(*other)) is same
    assert fingerprint(*one) == fingerprint(*one)
