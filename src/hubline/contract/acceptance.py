"""Whether every value of one schema is a value of another: what is given, of what is expected."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

Document: TypeAlias = Mapping[str, Any]

_AT_LEAST = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_AT_MOST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_SAME = ("format", "pattern", "contentEncoding", "multipleOf", "uniqueItems")
_TYPES: dict[type, tuple[str, ...]] = {
    bool: ("boolean",),
    int: ("integer", "number"),
    float: ("number",),
    str: ("string",),
    type(None): ("null",),
}


class Acceptance:
    """Compares schemas of two contracts. A reason names the place and the first thing that does not fit."""

    def __init__(self, giving: Document, expecting: Document) -> None:
        self.giving, self.expecting = giving, expecting
        self._assumed: set[tuple[str, str]] = set()
        """Pairs of components under comparison: a type that contains itself is not compared again."""

    def reason(self, given: Any, expected: Any) -> str | None:
        """Why something that is given is not expected; `None` if everything is."""
        return next(self._reasons(given, expected, ""), None)

    def _fits(self, given: Any, expected: Any) -> bool:
        before = set(self._assumed)
        fits = next(self._reasons(given, expected, ""), None) is None
        if not fits:
            self._assumed = before  # what was assumed on the way has not been shown
        return fits

    def _reasons(self, given: Any, expected: Any, at: str) -> Iterator[str]:
        pair = (given.get("$ref", ""), expected.get("$ref", ""))
        if all(pair):
            if pair in self._assumed:
                return
            self._assumed.add(pair)
        given, expected = _resolved(given, self.giving), _resolved(expected, self.expecting)
        if not _rules(expected):
            return
        if not _rules(given):
            yield f"{_at(at)}may be anything, not only {_words(expected)}"
        elif "anyOf" in given or "oneOf" in given:
            for each in _members(given):
                yield from self._reasons(each, expected, at)
        elif "enum" in given:
            wrong = [value for value in given["enum"] if not self._value_fits(value, expected)]
            if wrong:
                yield f"{_at(at)}may be {', '.join(map(repr, wrong))}, not only {_words(expected)}"
        elif "anyOf" in expected or "oneOf" in expected:
            if not any(self._fits(given, each) for each in _members(expected)):
                yield f"{_at(at)}may be {_words(given)}, not only {_words(expected)}"
        elif "enum" in expected:
            yield f"{_at(at)}may be {_words(given)}, not only {_words(expected)}"
        else:
            yield from self._typed(given, expected, at)

    def _value_fits(self, value: Any, expected: Any) -> bool:
        expected = _resolved(expected, self.expecting)
        if members := _members(expected):
            return any(self._value_fits(value, each) for each in members)
        if "enum" in expected:
            return any(value == each and type(value) is type(each) for each in expected["enum"])
        return expected.get("type") in (None, *_TYPES.get(type(value), ())) and not any(
            word in expected for word in (*_AT_LEAST, *_AT_MOST, *_SAME)
        )

    def _typed(self, given: Any, expected: Any, at: str) -> Iterator[str]:
        kind, wanted = given.get("type"), expected.get("type")
        if wanted is not None and kind != wanted and (kind, wanted) != ("integer", "number"):
            yield f"{_at(at)}may be {_words(given)}, not only {_words(expected)}"
            return
        yield from _constraints(given, expected, at)
        if wanted == "array":
            yield from self._items(given, expected, at)
        elif wanted == "object":
            yield from self._properties(given, expected, at)

    def _items(self, given: Any, expected: Any, at: str) -> Iterator[str]:
        ours, theirs = given.get("items", {}), expected.get("items", {})
        if isinstance(theirs, list):
            count = len(theirs)
            items = ours if isinstance(ours, list) else [ours] * count
            for number, (each, other) in enumerate(zip(items, theirs, strict=False)):
                yield from self._reasons(each, other, f"{at}[{number}]")
        else:
            for each in ours if isinstance(ours, list) else [ours]:
                yield from self._reasons(each, theirs, f"{at}[]")

    def _properties(self, given: Any, expected: Any, at: str) -> Iterator[str]:
        ours, theirs = given.get("properties", {}), expected.get("properties", {})
        required = given.get("required", ())
        for name in expected.get("required", ()):
            if name not in required:
                yield f"may have no {_joined(at, name)!r}"
        others = _others(given)
        for name, schema in theirs.items():
            if name in ours or others is not None:
                yield from self._reasons(ours.get(name, others), schema, _joined(at, name))
        rest = expected.get("additionalProperties", {})
        if rest is False:
            for name in ours:
                if name not in theirs:
                    yield f"may have {_joined(at, name)!r}, which is refused"
            if others is not None:
                yield f"{_at(at)}may have any name, not only {', '.join(map(repr, theirs)) or 'none'}"
        elif _rules(rest):
            more = [each for name, each in ours.items() if name not in theirs]
            for each in (*more, *([] if others is None else [others])):
                yield from self._reasons(each, rest, f"{at}[…]")


def _others(schema: Any) -> Any:
    """What values under other names than those of an object's fields may be; `None` if there are none.

    An object without fields is a map. One with fields has no others, unless it says so, as far as its writers know.
    """
    rest = schema.get("additionalProperties", None if schema.get("properties") else {})
    return {} if rest is True else None if rest is False else rest


def _constraints(given: Any, expected: Any, at: str) -> Iterator[str]:
    if given.get("type") in ("null", "boolean"):
        return  # no word constrains these
    for word in _AT_LEAST:
        if word in expected and not (word in given and given[word] >= expected[word]):
            if word.startswith("min") and word != "minimum" and expected[word] == 0:  # no length is less
                continue
            yield f"{_at(at)}may be less than {word} {expected[word]}"
    for word in _AT_MOST:
        if word in expected and not (word in given and given[word] <= expected[word]):
            yield f"{_at(at)}may be more than {word} {expected[word]}"
    for word in _SAME:
        if word in expected and given.get(word) != expected[word]:
            yield f"{_at(at)}need not have {word} {expected[word]!r}"


def _resolved(schema: Any, document: Document) -> Any:
    """Without references, and with what stands beside one in `allOf`."""
    while "$ref" in schema or "allOf" in schema:
        if "$ref" in schema:
            schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        else:
            parts = [_resolved(each, document) for each in schema["allOf"]]
            schema = {word: each for word, each in schema.items() if word != "allOf"}
            for part in parts:
                schema = {**part, **schema}
    return schema


def _members(schema: Any) -> list[Any]:
    """The schemas of a union, each with the constraints that stand beside it."""
    beside = {word: each for word, each in schema.items() if word in (*_AT_LEAST, *_AT_MOST, *_SAME)}
    found: list[Any] = schema.get("anyOf") or schema.get("oneOf") or []
    return [{**beside, "allOf": [each]} for each in found] if beside else found


def _rules(schema: Any) -> bool:
    """Whether it excludes any value."""
    return schema is False or bool(schema is not True and set(schema) - {"description", "title", "examples"})


def _words(schema: Any) -> str:
    if "enum" in schema:
        return " or ".join(map(repr, schema["enum"]))
    if members := _members(schema):
        return " or ".join(map(_words, members))
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    return str(schema.get("format") or schema.get("contentEncoding") or schema.get("type") or "anything")


def _at(place: str) -> str:
    return f"at {place!r} " if place else ""


def _joined(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name
