"""The types of a contract in Python: Structs for objects, and the hints of all schemas.

msgspec decides between the types of a union by what a value is, so it takes at most one type of each kind: one string,
one array, one object, unless objects say in a field what they are. A union that it cannot decide is `Any`.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from keyword import iskeyword
from typing import Any

from hubline.contract.reading import hubs_of
from hubline.wire.names import camel_case

_UNREADABLE = re.compile(r'[\\"\x00-\x1f]')

_FORMATS = {"uuid": "UUID", "date-time": "datetime", "date": "date", "time": "time", "duration": "timedelta"}
_PLAIN = {"boolean": "bool", "integer": "int", "number": "float", "null": "None"}
_BUILTINS = frozenset(("bool", "bytes", "dict", "float", "int", "list", "str", "tuple"))
RESERVED = frozenset(("Struct", "UNSET", "UnsetType", "field", "Any", "Literal", *_BUILTINS, *_FORMATS.values()))
"""Names that the hints of a class use: an attribute of that name would hide them."""

_STRINGS = frozenset(("bytes", "str", *_FORMATS.values()))


class Types:
    """The names of classes, and the hints of schemas."""

    def __init__(self, document: Mapping[str, Any], taken: set[str]) -> None:
        self._schemas: Mapping[str, Any] = document["components"]["schemas"]
        taken = taken | _BUILTINS
        self._names = {name: free(name, taken) for name in self._schemas}
        self.hubs = {key: free(hub.name, taken) for key, hub in hubs_of(document).items()}
        self.calls = {name: free(f"{name}Calls", taken) for name in self.hubs.values()}
        self._tags = dict(self._tagged(document))
        self._inside: list[str] = []
        """Components that are no objects and are being described: one that contains itself is `Any` there."""

    def of(self, schema: Any) -> str:
        """The hint of a schema."""
        if "$ref" in schema:
            return self._component(_name_in(schema))
        if "enum" in schema:
            return _literal(schema["enum"])
        for word in ("anyOf", "oneOf"):
            if word in schema:
                return self._union(schema[word])
        if "allOf" in schema:
            kinds = {self.of(each) for each in schema["allOf"]}
            return kinds.pop() if len(kinds) == 1 else "Any"
        match schema.get("type"):
            case "string" if "contentEncoding" in schema:
                return "bytes"
            case "string":
                return _FORMATS.get(schema.get("format", ""), "str")
            case "array":
                return self._array(schema)
            case "object" if not _is_object(schema):
                rest = schema.get("additionalProperties", True)
                return f"dict[str, {self.of(rest) if isinstance(rest, dict) else 'Any'}]"
            case "object":
                return "dict[str, Any]"
            case str() as kind:
                return _PLAIN.get(kind, "Any")
        return "Any"

    def declarations(self) -> Iterator[str]:
        """A class for each object."""
        for name, schema in self._schemas.items():
            if _is_object(schema):
                yield self._struct(name, schema)

    def _component(self, name: str) -> str:
        schema = self._schemas[name]
        if _is_object(schema):
            return self._names[name]
        if name in self._inside:
            return "Any"
        self._inside.append(name)
        try:
            return self.of(schema)
        finally:
            self._inside.pop()

    def _array(self, schema: Any) -> str:
        items = schema.get("items", {})
        if not isinstance(items, list):
            return "tuple[()]" if schema.get("maxItems") == 0 else f"list[{self.of(items)}]"
        if schema.get("minItems", 0) < len(items):
            return "list[Any]"
        return f"tuple[{', '.join(map(self.of, items))}]"

    def _union(self, schemas: Sequence[Any]) -> str:
        kinds = list(dict.fromkeys(self.of(each) for each in schemas))
        groups: dict[str, list[str]] = {}
        for kind in kinds:
            groups.setdefault(self._group(kind), []).append(kind)
        objects = groups.get("object", [])
        told_apart = len(objects) < 2 or all(kind in self._tags for kind in objects)
        if "any" in groups or not told_apart or len(groups.get("array", ())) > 1:
            return "Any"
        for group, widest in (("string", "str"), ("integer", "int")):
            if len(groups.get(group, ())) > 1:
                groups[group] = [widest]
        found = {kind for group in groups.values() for kind in group}
        return " | ".join(sorted(found, key=lambda kind: (kind == "None", kinds.index(kind) if kind in kinds else 0)))

    def _group(self, kind: str) -> str:
        """What msgspec tells apart: of a group a union has one type."""
        if kind in _STRINGS or kind.startswith(('Literal["', "Literal['")):
            return "string"
        if kind in self._names.values() or kind.startswith("dict["):
            return "object"
        if kind.startswith(("list[", "tuple[")):
            return "array"
        if " | " in kind or kind == "Any":
            return "any"
        return "integer" if kind == "int" or kind.startswith("Literal[") else kind

    def _tagged(self, document: Any) -> Iterator[tuple[str, tuple[str, str]]]:
        """Classes of unions that say in a field, the same in all of them, what they are: the field, and its value."""
        for schema in _unions(document):
            objects = [_name_in(each) for each in schema if "$ref" in each]
            objects = [name for name in objects if _is_object(self._schemas[name])]
            if len(objects) < 2:
                continue
            tags = [_tags_of(self._schemas[name]) for name in objects]
            for field in set.intersection(*map(set, tags)):
                if len({each[field] for each in tags}) == len(tags):
                    yield from (
                        (self._names[name], (field, each[field])) for name, each in zip(objects, tags, strict=True)
                    )

    def _struct(self, name: str, schema: Any) -> str:
        shown = self._names[name]
        tag = self._tags.get(shown)
        options = "" if tag is None else f", tag_field={json.dumps(tag[0])}, tag={json.dumps(tag[1])}"
        properties = {own: each for own, each in schema["properties"].items() if tag is None or own != tag[0]}
        taken = set(RESERVED)
        names = {own: free(snake_case(own), taken) for own in properties}
        renames = tag is not None or any(camel_case(given) != own for own, given in names.items())
        lines = []
        for own, each in properties.items():
            kind, is_required = self.of(each), own in schema.get("required", ())
            if not is_required and kind != "Any":
                kind = f"{kind} | UnsetType"
            settings = [] if is_required else ["default=UNSET"]
            settings += [f"name={json.dumps(own)}"] if renames and names[own] != own else []
            default = (
                f" = field({', '.join(settings)})"
                if "name=" in "".join(settings)
                else ""
                if is_required
                else " = UNSET"
            )
            lines.append(f"    {names[own]}: {kind}{default}\n{documented(each.get('description', ''), '    ')}")
        text = documented(schema.get("description", ""), "    ")
        body = text + ("\n" if text and lines else "") + "".join(lines)
        return f"class {shown}(Struct, kw_only=True{options}):\n{body or '    pass' + chr(10)}"


def documented(text: str, indent: str) -> str:
    """A docstring, with its line break, or nothing."""
    lines = text.replace("\\", "\\\\").replace('"""', r"\"\"\"").splitlines()
    if not lines:
        return ""
    if lines[-1].endswith('"'):
        lines[-1] = lines[-1][:-1] + '\\"'
    shown = "\n".join(f"{indent}{line}".rstrip() for line in lines)[len(indent) :]
    return f'{indent}"""{shown}{chr(10) + indent if len(lines) > 1 else ""}"""\n'


def snake_case(name: str) -> str:
    """`noteText` → `note_text`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", re.sub(r"\W+", "_", name))
    return words.lower().strip("_")


def free(name: str, taken: set[str]) -> str:
    """The name as an identifier that is not taken, which it is from now on."""
    name = re.sub(r"\W", "_", name) or "_"
    if name[0].isdigit() or name.startswith("__"):
        name = f"n{name}"
    while name in taken or iskeyword(name):
        name += "_"
    taken.add(name)
    return name


def _name_in(schema: Any) -> str:
    return str(schema["$ref"].rpartition("/")[2])


def _is_object(schema: Any) -> bool:
    """Whether there is a class for it. Not if a field has a name that a Struct cannot read."""
    properties = schema.get("properties")
    return schema.get("type") == "object" and properties is not None and not any(map(_UNREADABLE.search, properties))


def _literal(values: Sequence[Any]) -> str:
    if any(isinstance(value, float) for value in values):
        return "float | None" if None in values else "float"
    shown = [json.dumps(value, ensure_ascii=False) for value in values if not isinstance(value, bool | None)]
    shown += [repr(value) for value in values if isinstance(value, bool)]
    hint = f"Literal[{', '.join(shown)}]" if shown else ""
    return " | ".join(filter(None, (hint, "None" if None in values else ""))) or "Any"


def _unions(part: Any) -> Iterator[Sequence[Any]]:
    if isinstance(part, dict):
        yield from (part[word] for word in ("anyOf", "oneOf") if isinstance(part.get(word), list))
    for each in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from _unions(each)


def _tags_of(schema: Any) -> dict[str, str]:
    """The fields that have one value, a string."""
    return {
        name: each["enum"][0]
        for name, each in schema["properties"].items()
        if name in schema.get("required", ()) and len(each.get("enum", ())) == 1 and isinstance(each["enum"][0], str)
    }
