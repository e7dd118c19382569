"""What reads the values of a connection: a value of a type, and many items of streams at once."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from hubline.client.events import Call
from hubline.wire.codec import Codec
from hubline.wire.items import ReadItems

Readers: TypeAlias = tuple[Callable[[Any], Any], ReadItems | None]
"""Of one value, and of many items, if they can be read at once."""


class KnownReaders:
    """The codec's readers of types, each made once."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._known: dict[Any, Readers] = {}

    def of(self, kind: Any) -> Readers:
        try:
            found = self._known.get(kind)
        except TypeError:  # it cannot be a key
            return self._codec.reader(kind), None
        if found is None:
            found = self._known[kind] = self._codec.reader(kind), self._codec.items_reader(kind)
        return found


def by_stream(data: bytes, first: Call, calls: Mapping[str, Call]) -> list[tuple[Call, list[Any]]]:
    """The items in bytes whose first message belongs to `first`. Their order within each stream stays.

    Nothing, unless all are items of streams that are read like this one.
    """
    read = first.read_items
    if read is None or not (messages := read(data)):
        return []
    values = [each.item for each in messages if each.invocation_id == first.id]
    if len(values) == len(messages):
        return [(first, values)]
    found: dict[str, list[Any]] = {}
    for each in messages:
        found.setdefault(each.invocation_id, []).append(each.item)
    known = [call for id in found if (call := calls.get(id)) is not None and call.read_items is read]
    return list(zip(known, found.values(), strict=True)) if len(known) == len(found) else []
