"""Values of the application inside entries: plain JSON values, their sizes, and answers that match a schema."""

import hashlib
import math
from collections.abc import Callable
from typing import Any

import msgspec

as_json: Callable[[Any], bytes] = msgspec.json.encode
"""A plain value in JSON: also the form of an item over plain HTTP."""


DEEPEST = 32
"""Levels of objects and arrays in a value. Clients read 64, some of which belong to the item. Ours."""

_TOO_DEEP = f"a value has {DEEPEST} levels of objects and arrays at most"


def plain(value: Any) -> Any:
    """A copy of nothing but JSON values: dataclasses, structs, Pydantic models, dates and the like are turned to it.

    So it is the same in every codec and every log, and cannot be changed afterwards. Lone surrogates, as in file names,
    are replaced: see `whole_characters`. NaN and Infinity, which JSON does not have, become `None`.

    Raises:
        TypeError: something in it has no such form, or it is nested too deeply.
    """
    try:
        found = msgspec.to_builtins(value, str_keys=True, enc_hook=_model)
        text = as_json(found)
        msgspec.msgpack.encode(found)
        if text.count(b"[") + text.count(b"{") <= DEEPEST and b"null" not in text:
            return found
    except (UnicodeEncodeError, OverflowError):
        pass
    except RecursionError:
        raise TypeError(_TOO_DEEP) from None
    return _checked(found, DEEPEST)


def sent(value: Any) -> Any:
    """A value of a client, as `plain` values; values that JSON does not have are refused, and not replaced.

    Raises:
        TypeError: as `plain`, and for NaN and Infinity, which MessagePack can carry.
    """
    found = plain(value)
    if b"null" in as_json(found) and not _is_finite(value):
        raise TypeError("NaN and Infinity have no form in JSON")
    return found


def _is_finite(value: Any) -> bool:
    if isinstance(value, dict | list | tuple):
        return all(map(_is_finite, value.values() if isinstance(value, dict) else value))
    return not isinstance(value, float) or math.isfinite(value)


def _checked(value: Any, deeper: int) -> Any:
    """A plain value as every codec can carry it; `deeper` levels may be below."""
    if isinstance(value, str):
        return whole_characters(value)
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        raise TypeError("an integer of more than 64 bits has no form in MessagePack")
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict | list) and not deeper:
        raise TypeError(_TOO_DEEP)
    if isinstance(value, dict):
        return {whole_characters(name): _checked(each, deeper - 1) for name, each in value.items()}
    return [_checked(each, deeper - 1) for each in value] if isinstance(value, list) else value


def _model(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    if dump is None:
        raise TypeError(f"a {type(value).__qualname__} has no form in JSON")
    return dump(mode="json")


def value_size(value: Any) -> int:
    """Bytes of a plain value in JSON."""
    return len(as_json(value))


def text_size(text: str) -> int:
    """Bytes of a text in UTF-8."""
    return len(text) if text.isascii() else len(text.encode())


def whole_characters(text: str) -> str:
    """The text without surrogates, which have no form in UTF-8: pairs are joined, lone ones are replaced."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def whole(value: Any) -> Any:
    """A value of JSON, with whole characters in every text."""
    if isinstance(value, str):
        return whole_characters(value)
    if isinstance(value, dict):
        return {whole_characters(name): whole(each) for name, each in value.items()}
    return [whole(each) for each in value] if isinstance(value, list) else value


def cut(text: str, size: int) -> tuple[str, str]:
    """The text in two: at most `size` bytes of UTF-8, and the rest. No character is cut."""
    if text_size(text) <= size:
        return text, ""
    head = text[:size] if text.isascii() else text.encode()[:size].decode("utf-8", "ignore")
    return head, text[len(head) :]


def pieces(text: str, size: int) -> list[str]:
    """The text in pieces of at most `size` bytes; a short text is one piece, unchanged."""
    if len(text) * 4 <= size or text_size(text) <= size:
        return [text]
    found = []
    while text:
        head, text = cut(text, size)
        found.append(head)
    return found


def json_schema(kind: Any) -> dict[str, Any]:
    """The JSON Schema of a Python type.

    Raises:
        TypeError: it has no such form.
    """
    if hasattr(kind, "model_json_schema"):
        schema: dict[str, Any] = kind.model_json_schema()
        return schema
    return msgspec.json.schema(kind)


def read_answer(value: Any, kind: Any) -> Any:
    """A value of a client as the requested type.

    Raises:
        ValueError: it does not match; the text is for the person who answered.
    """
    if hasattr(kind, "model_validate"):
        return kind.model_validate(value)  # Pydantic's own error is a ValueError
    return msgspec.convert(value, kind)  # so is msgspec's


def fingerprint(*values: Any) -> str:
    """A fingerprint that is equal for equal requests, in every process.

    An object without a form in JSON, for example a service, is only equal to itself.
    """
    encoded = msgspec.json.encode(values, enc_hook=_identity, order="deterministic")
    return hashlib.sha256(encoded).hexdigest()


def _identity(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    if dump is not None and not isinstance(value, type):
        return dump(mode="json")
    return [type(value).__module__, type(value).__qualname__, id(value)]
