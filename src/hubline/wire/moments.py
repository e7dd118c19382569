"""Dates and times that the original accepts (asked from ASP.NET Core 10) and msgspec refuses or rounds too far.

These are `DateTime.MaxValue` of .NET, which has a seventh digit that Python cannot store; zones with hours and without
minutes; and the values of HTML inputs: `2024-01-02`, `2024-01-02T03:04`, `03:04`.
"""

import re
from typing import Any

_MOMENT = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)"
    r"(?:T(?P<time>\d\d:\d\d)(?P<seconds>:\d\d(?:\.\d+)?)?(?P<zone>Z|[+-]\d\d(?P<minutes>:\d\d)?)?)?",
    re.ASCII,
)
_TIME = re.compile(r"(?P<time>\d\d:\d\d)(?P<seconds>:\d\d(?:\.\d+)?)?(?P<zone>Z|[+-]\d\d:\d\d)?", re.ASCII)

_LAST_SECOND = 253_402_300_799
_LAST_TIMESTAMP = re.compile(rb"\xc7\x0c\xff([\x3b-\xff]...|\x3a...)" + re.escape(_LAST_SECOND.to_bytes(8)), re.DOTALL)
"""MessagePack's timestamp 96 in the last second of the year 9999: type, nanoseconds, seconds."""


def moment_text(value: Any) -> Any:
    """The text of a `datetime` as msgspec reads it. Other text is returned unchanged."""
    found = _MOMENT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return value
    seconds = found["seconds"] or ":00"
    if found["date"] == "9999-12-31" and found["time"] == "23:59":
        seconds = _within(seconds)
    zone = (found["zone"] or "") + (":00" if found["zone"] not in (None, "Z") and not found["minutes"] else "")
    return f"{found['date']}T{found['time'] or '00:00'}{seconds}{zone}"


def time_text(value: Any) -> Any:
    """The same for a `time`."""
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return value
    seconds = found["seconds"] or ":00"
    return found["time"] + (_within(seconds) if found["time"] == "23:59" else seconds) + (found["zone"] or "")


def within_the_last_second(payload: bytes) -> bytes:
    """MessagePack whose timestamps in the last second of the year 9999 are cut to microseconds.

    It replaces the fifteen bytes everywhere, also in a text or in bytes. It is only used for a payload that could not
    be decoded.
    """
    return _LAST_TIMESTAMP.sub(lambda found: found[0][:3] + _cut(found[1]) + found[0][7:], payload)


def _within(seconds: str) -> str:
    """Seconds cut to microseconds. Rounding could change the last moment of a day to the first of the next day."""
    return seconds[: len(":59.999999")]


def _cut(nanoseconds: bytes) -> bytes:
    count = int.from_bytes(nanoseconds)
    return (count - count % 1_000).to_bytes(4)
