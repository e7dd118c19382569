"""Values of the application's inside entries: plain JSON values, their sizes, and what people answer to a schema."""

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec

as_json: Callable[[Any], bytes] = msgspec.json.encode
"""A plain value in JSON: also the form of an item for those who are sent it over plain HTTP."""


DEEPEST = 32
"""Levels of objects and arrays in a value. Clients read 64, and an item has some around it. Ours."""

_TOO_DEEP = f"a value has {DEEPEST} levels of objects and arrays at most"


def plain(value: Any) -> Any:
    """A copy of nothing but JSON values: dataclasses, structs, Pydantic models, dates and the like are turned to it.

    So it is the same on every codec and in every log, and nobody can change it afterwards. Halves of characters, as in
    the names of files, are replaced: see `whole_characters`.

    Raises:
        TypeError: something in it has no such form, or it is nested too deeply.
    """
    try:
        found = msgspec.to_builtins(value, str_keys=True, enc_hook=_model)
        text = as_json(found)
        msgspec.msgpack.encode(found)
        if text.count(b"[") + text.count(b"{") <= DEEPEST:
            return found
    except (UnicodeEncodeError, OverflowError):
        pass
    except RecursionError:
        raise TypeError(_TOO_DEEP) from None
    return _checked(found, DEEPEST)


def _checked(value: Any, deeper: int) -> Any:
    """A plain value as every codec can carry it; `deeper` levels may be below."""
    if isinstance(value, str):
        return whole_characters(value)
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        raise TypeError("an integer of more than 64 bits has no form in MessagePack")
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
    """The text without halves of characters, which have no form in UTF-8: pairs are joined, single ones replaced."""
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
    """The text in pieces of at most `size` bytes; one piece, as it is, where that is enough."""
    if len(text) * 4 <= size or text_size(text) <= size:
        return [text]
    found = []
    while text:
        head, text = cut(text, size)
        found.append(head)
    return found


def json_schema(kind: Any) -> dict[str, Any]:
    """What a Python type looks like as JSON Schema.

    Raises:
        TypeError: it has no such form.
    """
    if hasattr(kind, "model_json_schema"):
        schema: dict[str, Any] = kind.model_json_schema()
        return schema
    return msgspec.json.schema(kind)


def read_answer(value: Any, kind: Any) -> Any:
    """A value that came from a client as the type that was asked for.

    Raises:
        ValueError: it does not fit; the text is worded for who answered.
    """
    if hasattr(kind, "model_validate"):
        return kind.model_validate(value)  # Pydantic's own error is a ValueError
    return msgspec.convert(value, kind)  # so is msgspec's


def fingerprint(*values: Any) -> str:
    """What tells whether two requests are the same: equal values have equal ones, in every process.

    An object without a form in JSON, a service for instance, equals itself only.
    """
    encoded = msgspec.json.encode(values, enc_hook=_identity, order="deterministic")
    return hashlib.sha256(encoded).hexdigest()


def _identity(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    if dump is not None and not isinstance(value, type):
        return dump(mode="json")
    return [type(value).__module__, type(value).__qualname__, id(value)]
