"""Reads many items of streams at once, in a few calls of msgspec for all of them.

A server at full speed sends hundreds of items in one piece. What is not in the form that servers write is left to the
codecs, which read one message after another and find the mistakes.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Protocol, TypeAlias

from msgspec import defstruct
from msgspec import json as msgspec_json
from msgspec import msgpack as msgspec_msgpack

from hubline.wire.framing import RECORD_SEPARATOR
from hubline.wire.incoming import preparation
from hubline.wire.names import camel_case, pascal_case
from hubline.wire.reading import read_custom


class ReadItem(Protocol):
    """An item that is read as its caller wants it."""

    @property
    def invocation_id(self) -> str: ...

    @property
    def item(self) -> Any: ...


ReadItems: TypeAlias = Callable[[bytes], Sequence[ReadItem]]
"""Reads bytes that are nothing but whole items; returns nothing if they are something else or do not fit."""

KINDS = 64
"""Types for which a class and a decoder are kept. Ours: to make one takes half a millisecond."""

FLAT = frozenset({str, int, float, bool})
"""Types whose values cannot be deep."""

_JSON_START = b'{"type":2,"invocationId":"'
_PACKED_STARTS = (b"\x94\x02\x80", b"\x95\x02\x80")
_LONGEST_ID = 31
"""Bytes of an id whose length is in its first byte."""

_MANY = b"\xdd"
"""The first byte of an array, before four for its length."""


def json_stream(data: bytes) -> str:
    """The id of the stream whose item is the first message, empty if it is something else."""
    if not data.startswith(_JSON_START):
        return ""
    start = len(_JSON_START)
    found = data[start : data.find(b'"', start)]
    return "" if b"\\" in found else found.decode(errors="replace")


def packed_stream(data: bytes) -> str:
    """The same for MessagePack. Longer messages than 127 bytes are not looked at."""
    if data[1:4] not in _PACKED_STARTS:
        return ""
    size = data[4] - 0xA0 if len(data) > 4 else 0
    return data[5 : 5 + size].decode(errors="replace") if 0 < size <= _LONGEST_ID else ""


@lru_cache(KINDS)
def json_items(kind: Any, depth: int) -> ReadItems | None:
    """A reader of items of this type in JSON, of at most this depth. None if msgspec alone cannot read the type."""
    if preparation(kind, camel_case, base64=True) is not None:
        return None
    item = _class(kind, forbid_unknown_fields=True, rename="camel")  # unknown fields could be deep
    decode_lines = msgspec_json.Decoder(item, dec_hook=read_custom).decode_lines
    flat = kind in FLAT

    def read(data: bytes) -> Sequence[ReadItem]:
        # Records become lines, and are as many: none can be a part of a value, or have two of them.
        if data[-1:] != RECORD_SEPARATOR or b"\n" in data:
            return ()
        if not flat and any([len(record) > 2 * depth for record in data.split(RECORD_SEPARATOR)]):
            return ()
        try:
            found: list[ReadItem] = decode_lines(data.replace(RECORD_SEPARATOR, b"\n"))
        except Exception:  # of a type of the application, too
            return ()
        return found if len(found) == data.count(RECORD_SEPARATOR) else ()

    return read


@lru_cache(KINDS)
def packed_items(kind: Any) -> ReadItems | None:
    """The same for MessagePack.

    A length below 128 is a number in MessagePack too, so lengths and messages in turns are the content of an array.
    """
    if preparation(kind, pascal_case) is not None:
        return None
    item = _class(kind, array_like=True)
    decode = msgspec_msgpack.Decoder(list[int | item], dec_hook=read_custom).decode  # type: ignore[valid-type]

    def read(data: bytes) -> Sequence[ReadItem]:
        lengths: list[int] = []
        at, available = 0, len(data)
        while at < available:
            length = data[at]
            lengths.append(length)
            at += 1 + length
        if at != available:
            return ()
        try:
            found: list[Any] = decode(_MANY + (2 * len(lengths)).to_bytes(4, "big") + data)
        except Exception:  # of a type of the application, too; and long lengths are no numbers
            return ()
        messages = found[1::2]
        return messages if found[::2] == lengths and int not in map(type, messages) else ()

    return read


def _class(kind: Any, **options: Any) -> Any:
    """The class of a `StreamItem` whose item is of this type."""
    fields: list[tuple[str, Any]] = [("invocation_id", str), ("item", kind)]
    if "array_like" in options:
        fields.insert(0, ("headers", dict[str, str]))
    return defstruct("Item", fields, tag_field="type", tag=2, gc=False, **options)
