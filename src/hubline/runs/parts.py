"""The content of a run: its parts in order, as they result from the entries of its log."""

from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

from hubline.runs.values import text_size, value_size

Body: TypeAlias = dict[str, Any]
"""An entry as it is appended: its `kind` and the fields of that kind. JSON values only."""

TEXTS = frozenset({"text", "reasoning"})
"""The kinds of parts that grow."""


class Part:
    """One piece of a run's content: text or reasoning, which grows, or a value, which is replaced."""

    __slots__ = ("_pieces", "kind", "name", "size", "value")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.name: str = ""
        """For a value: its name in the application."""
        self.value: Any = None
        self.size = 0
        """Bytes: of the text in UTF-8, of the value in JSON."""
        self._pieces: list[str] = []

    def add(self, text: str) -> None:
        self._pieces.append(text)
        self.size += text_size(text)

    def replace(self, name: str, value: Any) -> None:
        self.name, self.value, self.size = name, value, value_size(value)

    @property
    def text(self) -> str:
        """The whole content. Its pieces are joined once and kept as one."""
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
        return self._pieces[0] if self._pieces else ""

    def item(self, part: str, text: str | None = None) -> dict[str, Any]:
        """The form in a snapshot; for a piece of a long text, with this `text`."""
        if self.kind == "data":
            return {"part": part, "kind": "data", "name": self.name, "value": self.value}
        return {"part": part, "kind": self.kind, "text": self.text if text is None else text}


class Parts:
    """The parts of a run up to an entry. Each entry costs constant time, whatever the size."""

    __slots__ = ("_parts", "size")

    def __init__(self) -> None:
        self._parts: dict[str, Part] = {}
        self.size = 0
        """Bytes of all parts together."""

    def __contains__(self, part: str) -> bool:
        return part in self._parts

    def __iter__(self) -> Iterator[tuple[str, Part]]:
        return iter(self._parts.items())

    def __len__(self) -> int:
        return len(self._parts)

    def apply(self, body: Body) -> None:
        """Apply an entry. Kinds without content change nothing."""
        kind = body["kind"]
        if kind in TEXTS:
            part = self._part(body["part"], kind)
            before = part.size
            part.add(body["text"])
            self.size += part.size - before
        elif kind == "data":
            part = self._part(body["part"], kind)
            before = part.size
            part.replace(body["name"], body["value"])
            self.size += part.size - before
        elif kind == "retract":
            self._retract(body["parts"])

    def kind_of(self, part: str) -> str | None:
        """The kind of a part; `None` if no part has this name."""
        found = self._parts.get(part)
        return found.kind if found is not None else None

    @property
    def last(self) -> str | None:
        """The name of the last part."""
        return next(reversed(self._parts), None)

    def items(self) -> list[dict[str, Any]]:
        """Every part, whole."""
        return [part.item(name) for name, part in self._parts.items()]

    def text(self) -> str:
        """The text of the run: its text parts joined."""
        return "".join(part.text for part in self._parts.values() if part.kind == "text")

    def _part(self, name: str, kind: str) -> Part:
        part = self._parts.get(name)
        if part is None:
            part = self._parts[name] = Part(kind)
        return part

    def _retract(self, names: Iterable[str]) -> None:
        for name in names:
            part = self._parts.pop(name, None)
            if part is not None:
                self.size -= part.size
