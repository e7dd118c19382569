"""The entries of one run as a server holds them: without I/O and without a clock.

Every kind of log gives its followers a `Tape`. Viewers are cursors into it. Every item is made once here, for all
viewers.
"""

import secrets
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from hubline import Encoded
from hubline.runs.parts import TEXTS, Body, Parts
from hubline.runs.values import cut, text_size, value_size

Item: TypeAlias = dict[str, Any]
"""An entry, or several merged into one, as it is sent: `kind`, `position`, and the fields of the kind."""

Shared: TypeAlias = Encoded[Item]
"""An item for viewers: the same object for all at the same position, encoded once per codec (runs.md R17).

Code that sends it without a codec keeps another form with it: `item.form(as_json)`, or with any function of a module.
"""

ITEM_TEXT = 65_536
"""Bytes of text in UTF-8 that one item may carry (runs.md R2)."""

_REMEMBERED = 64
"""Merged items that are kept for viewers at the same position. They are needed only within one flush. Ours."""


class Entry:
    """One thing in the log."""

    __slots__ = ("_shared", "item", "kind", "seq", "size", "total")

    def __init__(self, seq: int, item: Item, size: int, total: int) -> None:
        self.seq, self.item, self.size, self.total = seq, item, size, total
        self.kind: str = item["kind"]
        self._shared: Shared | None = None

    @property
    def shared(self) -> Shared:
        """The item for viewers. Made when it is first needed, because most text is only sent merged."""
        if self._shared is None:
            self._shared = Encoded(self.item)
        return self._shared


class Tape:
    """The newest entries of a log, and the parts that result from all entries.

    Beyond `capacity` the older half is dropped: a snapshot has its content. `listeners` are called for each entry.
    """

    def __init__(self, capacity: int = 4_096, epoch: str | None = None) -> None:
        self.epoch = epoch or secrets.token_urlsafe(6)
        """Changes when a log begins again, so that positions of the former log are recognised as foreign."""
        self.base = 0
        """How many entries have been dropped."""
        self.base_total = 0
        self.end = 0
        """The number of the last entry; they are counted from 1."""
        self.total = 0
        """Bytes of all entries up to the last."""
        self.parts = Parts()
        self.asks: dict[str, Item] = {}
        """Questions that are open."""
        self.ended: Entry | None = None
        self.listeners: list[Callable[[Entry], None]] = []
        self._capacity = max(2, capacity)
        self._entries: list[Entry] = []
        self._merged: dict[tuple[int, int], tuple[int, Shared]] = {}
        self._snapshot: tuple[int, str, list[Shared]] | None = None

    def append(self, body: Body) -> Entry:
        """Add an entry and call the listeners. The tape keeps the values in `body`, which must not be changed."""
        seq = self.end + 1
        kind = body["kind"]
        size = text_size(body["text"]) if kind in TEXTS else value_size(body)
        self.total += size
        entry = Entry(seq, {"kind": kind, "position": f"{self.epoch}-{seq}", **body}, size, self.total)
        self.parts.apply(body)
        if kind == "ask":
            self.asks[body["askId"]] = {name: body[name] for name in ("askId", "prompt", "schema", "expiresAt")}
        elif kind == "answered":
            self.asks.pop(body["askId"], None)
        elif kind == "end":
            self.ended = entry
            self.asks.clear()
        self._entries.append(entry)
        self.end = seq
        if len(self._entries) > self._capacity:
            self._drop(len(self._entries) // 2)
        for listener in self.listeners:
            listener(entry)
        return entry

    def restore(self, base: int, bodies: Iterable[Body], parts: Iterable[Item], asks: Iterable[Item]) -> None:
        """Load the content of a log: the entries after `base`, and the parts that result from all entries.

        Listeners are not called.
        """
        self.base, self.end, self.base_total = base, base, self.total
        self._entries, self._snapshot = [], None
        self._merged.clear()
        listeners, self.listeners = self.listeners, []
        for body in bodies:
            self.append(body)
        self.listeners = listeners
        self.parts = Parts()
        for part in parts:
            self.parts.apply(part)
        self.asks = {ask["askId"]: ask for ask in asks}

    def position(self, seq: int) -> str:
        """The position of an entry; 0 is the position before the first."""
        return f"{self.epoch}-{seq}"

    def seq_of(self, position: object) -> int | None:
        """The entry of a position; `None` if the position is not of this log."""
        if not isinstance(position, str):
            return None
        epoch, _, number = position.rpartition("-")
        if epoch != self.epoch or not number.isascii() or not number.isdecimal() or len(number) > 18:
            return None
        seq = int(number)
        return seq if seq <= self.end and self.position(seq) == position else None

    @property
    def content_end(self) -> int:
        """The number of the last entry before the `end`."""
        return self.ended.seq - 1 if self.ended is not None else self.end

    def at(self, seq: int) -> Entry:
        """The entry of this number, which must not have been dropped."""
        return self._entries[seq - self.base - 1]

    def total_at(self, seq: int) -> int:
        """Bytes of all entries up to this one. It must not be older than the last dropped entry."""
        return self.base_total if seq <= self.base else self.at(seq).total

    def merged(self, start: int, limit: int) -> tuple[int, Shared]:
        """The longest item that begins with entry `start` and ends at `limit` or before, and its last entry.

        Text of one part is joined, up to the size of an item; any other entry is an item of its own.
        """
        if start == limit:
            return start, self.at(start).shared
        found = self._merged.get((start, limit))
        if found is None:
            if len(self._merged) >= _REMEMBERED:
                self._merged.clear()
            found = self._merged[start, limit] = self._merge(start, limit)
        return found

    def snapshot(self, state: str) -> tuple[int, list[Shared]]:
        """The content up to the newest entry, in as many pieces as needed, and the number of that entry."""
        kept, seq = self._snapshot, self.content_end
        if kept is None or kept[:2] != (seq, state):
            kept = self._snapshot = (seq, state, [Encoded(item) for item in self._pieces(seq, state)])
        return seq, kept[2]

    def _merge(self, start: int, limit: int) -> tuple[int, Shared]:
        first = self.at(start)
        if first.kind not in TEXTS:
            return start, first.shared
        part, size, last = first.item["part"], first.size, start
        texts = [first.item["text"]]
        while last < limit:
            entry = self.at(last + 1)
            if entry.kind != first.kind or entry.item["part"] != part or size + entry.size > ITEM_TEXT:
                break
            texts.append(entry.item["text"])
            size, last = size + entry.size, last + 1
        if last == start:
            return start, first.shared
        item = {"kind": first.kind, "position": self.position(last), "part": part, "text": "".join(texts)}
        return last, Encoded(item)

    def _pieces(self, seq: int, state: str) -> list[Item]:
        """The first piece names all parts; text that does not fit into it follows."""
        room, parts, rest = ITEM_TEXT, list[Item](), list[Item]()
        for name, part in self.parts:
            if part.kind not in TEXTS:
                parts.append(part.item(name))
                continue
            head, tail = cut(part.text, room)
            room -= text_size(head)
            if tail:
                room = 0  # the next piece continues after it
            parts.append(part.item(name, head))
            while tail:
                piece, tail = cut(tail, ITEM_TEXT)
                rest.append({"kind": part.kind, "position": None, "part": name, "text": piece})
        first = {"kind": "snapshot", "position": None, "parts": parts, "state": state, "asks": [*self.asks.values()]}
        items = [first, *rest]
        items[-1]["position"] = self.position(seq)
        return items

    def _drop(self, count: int) -> None:
        self.base_total = self._entries[count - 1].total
        self.base += count
        del self._entries[:count]
        self._merged.clear()


def bodies_behind(tape: Tape, after: int) -> list[Body]:
    """The content of the entries of a tape behind this one."""
    items = (tape.at(number).item for number in range(after + 1, tape.end + 1))
    return [{name: value for name, value in item.items() if name != "position"} for item in items]
