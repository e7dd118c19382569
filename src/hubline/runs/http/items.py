"""The items themselves, as hubs send them: the default dialect."""

from collections.abc import Mapping
from typing import Any, ClassVar

from hubline.runs.tape import Shared
from hubline.runs.values import as_json
from hubline.wire.event_stream import LF, event


class Items:
    """An event for each item, whose id is the item's position."""

    headers: ClassVar[tuple[()]] = ()
    has_positions = True
    finished = False

    def __init__(self, subject: object) -> None: ...

    def begin(self) -> bytes:
        return b""

    def item(self, item: Shared) -> bytes:
        return bytes(item.form(_event))

    def refused(self, text: str) -> bytes:
        return event(as_json({"error": text}), LF, name="error")

    def end(self) -> bytes:
        return b""


def _event(item: Mapping[str, Any]) -> bytes:
    """Without an id if the position is null: a browser then continues from the one before."""
    return event(as_json(item), LF, id=item["position"])
