import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from hubline._mistakes import Mistakes
from hubline.errors import ConfigurationError

NAN, INFINITY = math.nan, math.inf


class Quiet:
    def __repr__(self) -> str:
        raise RuntimeError


def told(check: Callable[[Mistakes], Any]) -> str:
    """The only mistake that a check finds."""
    mistakes = Mistakes("Owner")
    assert check(mistakes) is None
    (text,) = mistakes.found
    return text


@pytest.mark.parametrize("value", [1, 0.5, Fraction(1, 2)])
def test_numbers(value: Any) -> None:
    mistakes = Mistakes("Owner")
    assert mistakes.number("a", value, above=0) is value
    assert mistakes.number("a", value, least=value) is value
    assert mistakes.number("a", None, optional=True) is None
    mistakes.tell()


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (-1, "a number greater than 0"),
        (0, "a number greater than 0"),
        ("1", "a number greater than 0"),
        (None, "a number greater than 0"),
        (True, "a number greater than 0"),
        (Decimal(1), "a number greater than 0"),
        (NAN, "a finite number greater than 0"),
        (INFINITY, "a finite number greater than 0"),
        (-INFINITY, "a finite number greater than 0"),
    ],
)
def test_what_is_no_number_or_out_of_bounds(value: Any, wanted: str) -> None:
    assert told(lambda each: each.number("a", value, above=0)) == f"Owner.a must be {wanted}, got {value!r}"


def test_the_bound_and_none_are_said() -> None:
    assert told(lambda each: each.number("a", -1, least=0)) == "Owner.a must be a number, 0 or greater, got -1"
    text = "Owner.a must be a whole number, 1 or greater, or None, got 1.5"
    assert told(lambda each: each.whole("a", 1.5, least=1, optional=True)) == text
    assert told(lambda each: each.number("a", "x")) == "Owner.a must be a number, got 'x'"
    text = "Owner.a must be a text or None, got b'x'"
    assert told(lambda each: each.text("a", b"x", optional=True)) == text


@pytest.mark.parametrize("value", [1.0, True, "1", NAN, 0, None])
def test_whole_numbers(value: Any) -> None:
    assert Mistakes("Owner").whole("a", 3, above=2) == 3
    text = told(lambda each: each.whole("a", value, above=0))
    assert text == f"Owner.a must be a whole number greater than 0, got {value!r}"


@pytest.mark.parametrize("value", ["no", 1, 0, None])
def test_flags_are_no_words_and_no_numbers(value: Any) -> None:
    assert Mistakes("Owner").flag("a", False) is False
    assert told(lambda each: each.flag("a", value)) == f"Owner.a must be True or False, got {value!r}"


@pytest.mark.parametrize("value", ["text", None, 5, {"a": 1}, [1], iter("a"), b"ab"])
def test_a_list_of_texts_is_no_text(value: Any) -> None:
    mistakes = Mistakes("Owner")
    assert [mistakes.texts("a", each) for each in (["x"], (), {"y"})] == [["x"], (), {"y"}]
    assert told(lambda each: each.texts("a", value)).startswith("Owner.a must be a list of texts, got ")


def test_constants() -> None:
    mistakes = Mistakes("Owner")
    assert [mistakes.one_of("a", each, (True, "x", 0)) for each in (True, "x", 0)] == [True, "x", 0]
    assert told(lambda each: each.one_of("a", 1, (True, "x"))) == "Owner.a must be True or 'x', got 1"
    assert told(lambda each: each.one_of("a", ["x"], ("x",))) == "Owner.a must be 'x', got ['x']"


def test_objects_and_functions() -> None:
    mistakes, value = Mistakes("Owner"), Fraction(1)
    assert mistakes.instance("a", value, Fraction) is value
    assert mistakes.function("a", len) is len
    assert told(lambda each: each.instance("a", 1, Fraction)) == "Owner.a must be a Fraction, got 1"
    assert told(lambda each: each.function("a", 1, optional=True)) == "Owner.a must be a function or None, got 1"


def test_a_value_is_shown_briefly_whatever_it_is() -> None:
    assert told(lambda each: each.flag("a", "x" * 1_000)).endswith("xxx…")
    assert len(told(lambda each: each.flag("a", "x" * 1_000))) < 150
    assert told(lambda each: each.flag("a", Quiet())).endswith("got an object of Quiet")


def test_all_are_told_together() -> None:
    def fail() -> None:
        raise ConfigurationError(["the third"])

    mistakes = Mistakes("Owner")
    mistakes.tell()
    mistakes.flag("a", None)
    mistakes.text("b", None)
    assert mistakes.check(fail) is None
    assert mistakes.check(lambda: 5) == 5
    with pytest.raises(ConfigurationError) as caught:
        mistakes.tell()
    assert [each.partition(" must")[0] for each in caught.value.problems] == ["Owner.a", "Owner.b", "the third"]
