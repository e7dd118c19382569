"""What msgspec does not write, and plain Python has a word for: subclasses of builtin types, and other containers.

A `float` with a name of its own, a `datetime` of pendulum's, a `deque`, a read-only view of a dict: each goes out as
the builtin it derives from, or as the list or dict that it behaves like.
"""

from collections import UserString, deque
from collections.abc import Callable, Mapping, Sequence, Set, ValuesView
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, TypeAlias

Plainer: TypeAlias = Callable[[Any], Any]


def is_mapping(kind: type) -> bool:
    """Whether its values become a dict."""
    return issubclass(kind, Mapping)


def is_sequence(kind: type) -> bool:
    """Whether its values become a list. Iterators do not: to write one would use it up."""
    return issubclass(kind, deque | Sequence | Set | ValuesView) and not issubclass(kind, UserString)


def plainer(kind: type) -> Plainer | None:
    """A function that gives values of `kind` a form that msgspec writes; `None` if there is none, or it knows them.

    What a subclass overrides is passed by: the type it derives from is asked itself.
    """
    if issubclass(kind, Enum) or kind in _KNOWN:
        return None
    for base, make in _BASES.items():
        if issubclass(kind, base):
            return make
    if issubclass(kind, UserString):
        return str
    if is_mapping(kind):
        return dict
    return list if is_sequence(kind) else None


def _datetime(value: datetime) -> datetime:
    return datetime.combine(_date(value), _time(datetime.timetz(value)))


def _date(value: date) -> date:
    return date.fromordinal(date.toordinal(value))


def _time(value: time) -> time:
    return time(value.hour, value.minute, value.second, value.microsecond, value.tzinfo, fold=value.fold)


_BASES: dict[type, Plainer] = {
    str: str.__str__,
    int: int.__int__,
    float: float.__float__,
    Decimal: Decimal,
    bytes: lambda value: bytes(memoryview(value)),
    bytearray: lambda value: bytes(memoryview(value)),
    datetime: _datetime,
    date: _date,
    time: _time,
    timedelta: timedelta.__pos__,
}
"""In this order, because a `datetime` is a `date` too."""

_KNOWN = {*_BASES, memoryview, dict, list, tuple, set, frozenset}
"""What msgspec itself writes; where it does not, as the key of an object in JSON, we have no form either."""
