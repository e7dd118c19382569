"""Finds the error in a JSON payload that could not be decoded, and repairs what can be repaired.

The texts are those of ASP.NET Core 10 (`JsonHubProtocol`), asked from a running server with detailed errors.
"""

import re
from typing import Any

from msgspec import UNSET, DecodeError, Raw, Struct, UnsetType, ValidationError
from msgspec.json import decode
from msgspec.structs import asdict

from hubline.errors import RemoteProtocolError

_KNOWN_TYPES = range(1, 10)
_TOKENS = {'"': "String", "[": "Array", "n": "Null", "t": "True", "f": "False"}

_INTEGER = re.compile(rb"-?[0-9]+")

_ESCAPES = re.compile(
    rb"""\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}   # a pair
    | (?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})
    | \\.""",
    re.VERBOSE | re.DOTALL,
)


class _Properties(Struct, rename="camel"):
    """All fields of messages, still encoded, in the order in which they are checked."""

    type: Raw | UnsetType = UNSET
    headers: Raw | UnsetType = UNSET
    invocation_id: Raw | UnsetType = UNSET
    target: Raw | UnsetType = UNSET
    arguments: Raw | UnsetType = UNSET
    stream_ids: Raw | UnsetType = UNSET
    item: Raw | UnsetType = UNSET
    error: Raw | UnsetType = UNSET
    result: Raw | UnsetType = UNSET
    allow_reconnect: Raw | UnsetType = UNSET
    sequence_id: Raw | UnsetType = UNSET


_FORMS: tuple[tuple[str, Any, str], ...] = (
    ("headers", dict[str, Any], "Expected 'headers' to be of type StartObject."),
    ("invocation_id", str, "Expected 'invocationId' to be of type String."),
    ("target", str, "Expected 'target' to be of type String."),
    ("stream_ids", list[Any], "Expected 'streamIds' to be of type Array."),
    ("stream_ids", list[str], "Expected 'streamIds' to be of type String."),
    ("error", str, "Expected 'error' to be of type String."),
    ("allow_reconnect", bool, "Expected 'allowReconnect' to be true or false."),
    ("sequence_id", int, "Expected 'sequenceId' to be of type Number."),
)

_REQUIRED: dict[int, tuple[str, ...]] = {
    1: ("target", "arguments"),
    2: ("invocation_id", "item"),
    3: ("invocation_id",),
    4: ("invocation_id", "target", "arguments"),
    5: ("invocation_id",),
    8: ("sequence_id",),
    9: ("sequence_id",),
}


def refuse(payload: bytes, cause: Exception) -> None:
    """Return if the payload is a message of an unknown type, which must be ignored. Raise otherwise."""
    properties = _properties(payload, cause)
    kind = _type_of(properties.type, cause)
    if kind not in _KNOWN_TYPES:
        return
    raws: dict[str, Raw | UnsetType] = asdict(properties)
    for name, form, text in _FORMS:
        if raws[name] is not UNSET and not _fits(raws[name], form, cause):
            raise RemoteProtocolError(text) from cause
    if properties.headers is not UNSET:
        _check_headers(decode(properties.headers), cause)
    for name in _REQUIRED.get(kind, ()):
        if raws[name] is UNSET:
            raise RemoteProtocolError(f"Missing required property '{_wire_name(name)}'.") from cause
    raise RemoteProtocolError("Error reading JSON.") from cause


def repair(payload: bytes) -> bytes:
    """The payload with U+FFFD in place of every lone surrogate.

    JavaScript writes lone surrogates when a text is cut in the middle of an emoji. For msgspec this is broken JSON. In
    the original the call fails and the connection stays open. We accept the call, with the replacement character.
    """
    return _ESCAPES.sub(lambda found: rb"\ufffd" if found["half"] else found[0], payload)


def _check_headers(headers: dict[str, Any], cause: Exception) -> None:
    for name, value in headers.items():
        if not isinstance(value, str):
            raise RemoteProtocolError(f"Expected header '{name}' to be of type String.") from cause


def _properties(payload: bytes, cause: Exception) -> _Properties:
    try:
        return decode(payload, type=_Properties)
    except ValidationError:
        token = _TOKENS.get(payload.lstrip()[:1].decode(), "Number")
        text = f"Unexpected JSON Token Type '{token}'. Expected a JSON Object."
    except (DecodeError, UnicodeDecodeError, RecursionError):
        text = "Error reading JSON."
    raise RemoteProtocolError(text) from cause


def _type_of(raw: Raw | UnsetType, cause: Exception) -> int:
    """The type, or 0 if it is unknown. An integer of any size is a type, as in MessagePack."""
    if raw is UNSET:
        raise RemoteProtocolError("Missing required property 'type'.") from cause
    text = bytes(raw)
    if text[0] not in b"-0123456789":
        raise RemoteProtocolError("Expected 'type' to be of type Number.") from cause
    if _INTEGER.fullmatch(text) is None:
        refusal = "Either the JSON value is not in a supported format, or is out of bounds for an Int32."
        raise RemoteProtocolError(refusal) from cause
    return int(text) if len(text) == 1 else 0  # a type with more digits is unknown, whatever its size


def _fits(raw: Raw | UnsetType, form: Any, cause: Exception) -> bool:
    try:
        decode(raw, type=form)  # type: ignore[arg-type]
    except ValidationError:
        return False
    except (DecodeError, UnicodeDecodeError):
        raise RemoteProtocolError("Error reading JSON.") from cause
    return True


def _wire_name(name: str) -> str:
    return _Properties.__struct_encode_fields__[_Properties.__struct_fields__.index(name)]
