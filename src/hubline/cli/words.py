"""What users write: a line of `hubline client` with arguments in JSON, and headers."""

import json
from collections.abc import Sequence
from typing import Any

from hubline.errors import ConfigurationError


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_constant)
_STARTS = '{["'


def split(line: str) -> tuple[str, list[Any]]:
    """The first word and the values behind it: JSON, or text for a word that is not. Empty for an empty line.

    Raises:
        ConfigurationError: an object, a list or a quoted text is not JSON.
    """
    word, *rest = line.split(maxsplit=1) or [""]
    return word, values("".join(rest))


def values(text: str) -> list[Any]:
    """Values with blanks between them."""
    found: list[Any] = []
    position = 0
    while (position := _next(text, position)) < len(text):
        value, position = _value(text, position)
        found.append(value)
    return found


def _next(text: str, position: int) -> int:
    while position < len(text) and text[position].isspace():
        position += 1
    return position


def _value(text: str, start: int) -> tuple[Any, int]:
    if text[start] in _STARTS:
        try:
            value, end = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError) as error:  # the latter, where too many brackets are open
            raise ConfigurationError([f"not JSON: {text[start:].rstrip()} ({error})"]) from None
        if end < len(text) and not text[end].isspace():
            raise ConfigurationError([f"a blank is missing before {text[end:]}"])
        return value, end
    end = start
    while end < len(text) and not text[end].isspace():
        end += 1
    word = text[start:end]
    try:
        return _DECODER.decode(word), end
    except ValueError:
        return word, end


def headers_of(token: str | None, headers: Sequence[str]) -> dict[str, str]:
    """Headers of the upgrade; `headers` are written NAME=VALUE.

    Raises:
        ConfigurationError: one is not.
    """
    pairs = [each.partition("=") for each in headers]
    if wrong := [f"--header {name!r}: write NAME=VALUE" for name, sign, _ in pairs if not (name and sign)]:
        raise ConfigurationError(wrong)
    authorization = {"Authorization": f"Bearer {token}"} if token else {}
    return authorization | {name: value for name, _, value in pairs}
