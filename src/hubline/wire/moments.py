"""Dates and times that msgspec refuses, or rounds over the edge, and the original takes (asked from ASP.NET Core 10).

Those are the last moment of .NET, `DateTime.MaxValue`, whose seventh digit Python has no room for; the hours without
minutes that a zone may have; and what a page's own inputs give: `2024-01-02`, `2024-01-02T03:04`, `03:04`.
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
    """The text of a `datetime` as msgspec reads it; what is none is given back as it is."""
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

    The fifteen bytes are looked for wherever they are: as part of a text or of bytes they would be changed too. That
    happens to a payload only that could not be read before.
    """
    return _LAST_TIMESTAMP.sub(lambda found: found[0][:3] + _cut(found[1]) + found[0][7:], payload)


def _within(seconds: str) -> str:
    """Seconds cut to microseconds instead of rounded, which would make the last of a day the first of the next."""
    return seconds[: len(":59.999999")]


def _cut(nanoseconds: bytes) -> bytes:
    count = int.from_bytes(nanoseconds)
    return (count - count % 1_000).to_bytes(4)
