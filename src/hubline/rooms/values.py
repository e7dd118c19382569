"""Values and names that clients give, checked."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hubline import HubError
from hubline.errors import BackplaneError
from hubline.runs.values import sent

NO_ROOM = "The room does not exist."
"""The error for a room that the caller may not use."""

UNREACHABLE = "The room cannot be reached at present. Try again in a moment."


def json_of(value: Any, limit: int) -> str:
    """A value in JSON, of at most so many bytes. Raises HubError."""
    try:
        text = json.dumps(sent(value), ensure_ascii=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise HubError(f"The value has no form in JSON: {error}") from error
    size = len(text.encode())
    if size > limit:
        raise HubError(f"The value has {size} bytes; {limit} are allowed.")
    return text


def checked_name(name: object, limit: int) -> str:
    """The name of a room, a device, a key or a kind of signal. Raises HubError."""
    if not isinstance(name, str) or not name or len(name) > limit:
        raise HubError(f"A name must be a text of 1 to {limit} characters.")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise HubError("A name must be text that UTF-8 can carry.") from None
    return name


def checked_position(text: object) -> tuple[str, int] | None:
    """A position as epoch and number; `None` for none. What is no position is of no epoch. Raises HubError."""
    if text is None:
        return None
    if not isinstance(text, str) or len(text) > 200:
        raise HubError("A position must be the `position` of a message or of a join.")
    epoch, _, number = text.rpartition("-")
    if not epoch or not number.isascii() or not number.isdecimal() or len(number) > 15:
        return ("", 0)
    return epoch, int(number)


@contextmanager
def unreachable() -> Iterator[None]:
    """Raises HubError where the store cannot be reached."""
    try:
        yield
    except BackplaneError as error:
        raise HubError(UNREACHABLE) from error
