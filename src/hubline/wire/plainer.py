"""Types that msgspec does not write, but that have a builtin equivalent: subclasses of builtin types, containers.

A subclass of `float`, pendulum's `datetime`, a `deque`, a read-only view of a dict: each is sent as the builtin type it
derives from, or as the list or dict that it behaves like.
"""

from collections import UserString, deque
from collections.abc import Callable, Mapping, Sequence, Set, ValuesView
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, TypeAlias

Plainer: TypeAlias = Callable[[Any], Any]


def is_mapping(kind: type) -> bool:
    """Whether values of this type are sent as a dict."""
    return issubclass(kind, Mapping)


def is_sequence(kind: type) -> bool:
    """Whether values of this type are sent as a list. Iterators are not, because writing one would consume it."""
    return issubclass(kind, deque | Sequence | Set | ValuesView) and not issubclass(kind, UserString)


def plainer(kind: type) -> Plainer | None:
    """A function that converts values of `kind` for msgspec; `None` if it writes them itself or there is no equivalent.

    It uses the methods of the builtin type, and not those that a subclass overrides.
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
"""In this order, because a `datetime` is also a `date`."""

_KNOWN = {*_BASES, memoryview, dict, list, tuple, set, frozenset}
"""Types that msgspec writes. Where it does not write them, as keys of JSON objects, there is no equivalent."""
