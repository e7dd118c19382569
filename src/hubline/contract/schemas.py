"""JSON Schemas of the types of a contract: what a value is in JSON on the wire.

msgspec's own schemas have the names and rules of msgspec. These have the names on the wire, tell what is sent (fields
with a default are always there) from what is read (they may be left out), and describe what can only be sent, such as
unions of dataclasses. The dialect is draft 7, AsyncAPI's.
"""

import inspect
import re
from collections import deque
from collections.abc import Collection, Mapping, ValuesView
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, Flag
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Final, Literal, TypeAlias, Union, get_args, get_origin
from uuid import UUID

from msgspec import Meta, Raw, Struct, UnsetType

from hubline.contract.fields import Field, fields_of, has_fields, hints_of, keeps_names, substitute
from hubline.contract.naming import REF, named
from hubline.contract.pydantic_models import schema_of
from hubline.wire.encoded import Encoded
from hubline.wire.foreign import is_pydantic_model

Schema: TypeAlias = dict[str, Any]

_ANYTHING: tuple[Any, ...] = (Any, object, Raw, inspect.Parameter.empty)

_PLAIN: dict[type, Schema] = {
    NoneType: {"type": "null"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    Decimal: {"type": "number"},
    str: {"type": "string"},
    bytes: {"type": "string", "contentEncoding": "base64"},
    bytearray: {"type": "string", "contentEncoding": "base64"},
    memoryview: {"type": "string", "contentEncoding": "base64"},
    datetime: {"type": "string", "format": "date-time"},
    date: {"type": "string", "format": "date"},
    time: {"type": "string", "format": "time"},
    timedelta: {"type": "string", "format": "duration"},
    UUID: {"type": "string", "format": "uuid"},
}

_KEYWORDS = {
    "gt": "exclusiveMinimum",
    "ge": "minimum",
    "lt": "exclusiveMaximum",
    "le": "maximum",
    "multiple_of": "multipleOf",
    "pattern": "pattern",
}
_LENGTHS = {
    "string": ("minLength", "maxLength"),
    "array": ("minItems", "maxItems"),
    "object": ("minProperties", "maxProperties"),
}


@dataclass(frozen=True, slots=True)
class Side:
    """`sent`: by the server. `renames`: fields are in camelCase."""

    sent: bool
    renames: bool = True


class Schemas:
    """Collects the schemas of classes as components, while those of other types are written in place."""

    def __init__(self) -> None:
        self._components: dict[tuple[str, Side], Schema] = {}

    def finish(self, document: Any) -> tuple[Any, dict[str, Schema]]:
        """A document with its references named, and the components in the order of their names."""
        return named(document, self._components)

    def of(self, kind: Any, side: Side) -> Schema:
        """The schema of a type. Of what cannot be described it is `{}`, which is any value."""
        origin = get_origin(kind)
        if hasattr(origin or kind, "__value__"):  # made by `type Name = …`; it may contain itself
            return self._component(kind, side, self._alias)
        if origin is Annotated:
            inner, *marks = get_args(kind)
            return _constrained(self.of(inner, side), marks)
        if origin in (ClassVar, Final):
            return self.of(get_args(kind)[0], side)
        if origin is Literal:
            return {"enum": [each.value if isinstance(each, Enum) else each for each in get_args(kind)]}
        if origin in (Union, UnionType):
            return self._union(get_args(kind), side)
        if hasattr(kind, "__supertype__"):
            return self.of(kind.__supertype__, side)
        if kind is None:
            return dict(_PLAIN[NoneType])
        cls = origin or kind
        if cls in _ANYTHING or not isinstance(cls, type):
            return {}
        return self._class(kind, cls, side)

    def _class(self, kind: Any, cls: type, side: Side) -> Schema:
        if cls is Encoded:
            return self.of((get_args(kind) or (Any,))[0], side)
        if issubclass(cls, Flag):
            return {"type": "integer"}
        if issubclass(cls, Enum):
            return self._component(kind, side, self._enum)
        if is_pydantic_model(cls):
            return self._pydantic(cls, side)
        if has_fields(cls):
            return self._component(kind, side, self._object)
        if issubclass(cls, tuple) and hasattr(cls, "_fields"):
            return self._component(kind, side, self._named_tuple)
        for base in cls.__mro__:
            if base in _PLAIN:
                return dict(_PLAIN[base])
        arguments = get_args(kind)
        if issubclass(cls, tuple) and arguments and arguments[-1] is not ...:
            return self._tuple([each for each in arguments if each != ()], side)
        if issubclass(cls, Mapping):
            values = self.of(arguments[1], side) if len(arguments) > 1 else {}
            return {"type": "object", "additionalProperties": values} if values else {"type": "object"}
        if issubclass(cls, Collection | deque | ValuesView):
            items = self.of(arguments[0], side) if arguments else {}
            return {"type": "array", "items": items} if items else {"type": "array"}
        return {}

    def _union(self, kinds: tuple[Any, ...], side: Side) -> Schema:
        schemas: list[Schema] = []
        for kind in kinds:
            schema = {} if kind is UnsetType else self.of(kind, side)
            if kind is not UnsetType and schema not in schemas:
                schemas.append(schema)
        if {} in schemas:
            return {}
        return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}

    def _component(self, kind: Any, side: Side, make: Any) -> Schema:
        key = (_qualified(kind), side)
        if key not in self._components:
            self._components[key] = {}  # a type that contains itself finds this
            self._components[key].update(make(kind, side))
        return {"$ref": REF, "key": key}

    def _alias(self, kind: Any, side: Side) -> Schema:
        alias = get_origin(kind) or kind
        bound = dict(zip(getattr(alias, "__type_params__", ()), get_args(kind), strict=False))
        return self.of(substitute(alias.__value__, bound), side)

    def _enum(self, kind: type[Enum], side: Side) -> Schema:
        values = [each.value for each in kind]
        if not all(isinstance(each, str | int | float | None) for each in values):
            return {}
        return _described(kind, {"enum": values})

    def _named_tuple(self, kind: Any, side: Side) -> Schema:
        hints = hints_of(kind)
        return self._tuple([hints.get(name, Any) for name in kind._fields], side, len(kind._field_defaults))

    def _tuple(self, kinds: list[Any], side: Side, optional: int = 0) -> Schema:
        least = len(kinds) if side.sent else len(kinds) - optional
        schema: Schema = {"type": "array", "minItems": least, "maxItems": len(kinds)}
        return schema | ({"items": [self.of(each, side) for each in kinds]} if kinds else {})

    def _object(self, kind: Any, side: Side) -> Schema:
        cls: Any = get_origin(kind) or kind
        fields = fields_of(kind, renames=side.renames)
        inside = Side(side.sent, side.renames and not keeps_names(cls))
        config = cls.__struct_config__ if issubclass(cls, Struct) else None
        tag = None if config is None else config.tag
        if config is not None and config.array_like:
            kinds = [*([] if tag is None else [Literal[tag]]), *(each.kind for each in fields)]
            return self._tuple(kinds, inside, sum(not each.required for each in fields))
        properties: Schema = {} if config is None or tag is None else {config.tag_field: {"enum": [tag]}}
        required = list(properties)
        for field in fields:
            if side.sent or field.is_read:
                properties[field.name] = self.of(field.kind, inside)
                if _is_required(field, side):
                    required.append(field.name)
        schema: Schema = {"type": "object", "properties": properties}
        if required:
            schema["required"] = required
        if config is not None and config.forbid_unknown_fields and not side.sent:
            schema["additionalProperties"] = False
        return _described(cls, schema)

    def _pydantic(self, cls: type, side: Side) -> Schema:
        """By Pydantic itself, with the names of its aliases."""
        side = Side(side.sent)
        try:
            schema, classes = schema_of(cls, "serialization" if side.sent else "validation")
        except Exception:  # a model with a field that has no schema, such as a callable
            return {}
        references = {
            name: self._definition(name, classes.get(name), cls.__module__, side) for name in schema.get("$defs", {})
        }
        for name, definition in schema.pop("$defs", {}).items():
            if not issubclass(classes.get(name, object), Enum):
                self._components[references[name]["key"]] = _pydantic_part(definition, references)
        made: Schema = _pydantic_part(schema, references)
        if "$ref" in made:
            return made
        return self._component(cls, side, lambda kind, side: made)

    def _definition(self, name: str, cls: type | None, module: str, side: Side) -> Schema:
        """The reference to a definition of Pydantic's. An enum is ours; models alone rename their fields."""
        if cls is None:
            return {"$ref": REF, "key": (f"{module}:{name}", side)}
        if issubclass(cls, Enum):
            return self.of(cls, side)
        names = side if is_pydantic_model(cls) else Side(side.sent, renames=False)
        return {"$ref": REF, "key": (f"{cls.__module__}:{name.rpartition('__')[2]}", names)}


def _pydantic_part(part: Any, references: Mapping[str, Schema]) -> Any:
    """A part of Pydantic's schema, with references of ours, and in draft 7."""
    if isinstance(part, list):
        return [_pydantic_part(each, references) for each in part]
    if not isinstance(part, dict):
        return part
    if isinstance(part.get("$ref"), str):
        return references[part["$ref"].rpartition("/")[2]]
    made = {
        word: {name: _pydantic_part(one, references) for name, one in each.items()}
        if word in ("properties", "patternProperties")  # names of fields, which may be words of JSON Schema
        else _pydantic_part(each, references)
        for word, each in part.items()
        if word not in ("title", "default", "discriminator")
    }
    if "prefixItems" in made:
        made["items"] = made.pop("prefixItems")
    if "const" in made:
        made["enum"] = [made.pop("const")]
    return made


def _is_required(field: Field, side: Side) -> bool:
    if side.sent:
        return not field.omitted and not _may_be_unset(field.kind)
    return field.required


def _may_be_unset(kind: Any) -> bool:
    return UnsetType in get_args(kind)


def _constrained(schema: Schema, marks: list[Any]) -> Schema:
    found: Schema = {}
    for mark in marks:
        if not isinstance(mark, Meta):
            continue
        found |= {word: getattr(mark, name) for name, word in _KEYWORDS.items() if getattr(mark, name) is not None}
        lengths = _LENGTHS.get(schema.get("type", ""), ())
        for word, value in zip(lengths, (mark.min_length, mark.max_length), strict=False):
            if value is not None:
                found[word] = value
        found |= {"description": mark.description} if mark.description else {}
        found |= mark.extra_json_schema or {}
    if found and "$ref" in schema:
        return {"allOf": [schema], **found}
    return schema | found


def _described(cls: type, schema: Schema) -> Schema:
    """With the first paragraph of the docstring; a dataclass without one has a made one, which says nothing more."""
    text = inspect.cleandoc(cls.__dict__.get("__doc__") or "").split("\n\n")[0].replace("\n", " ")
    if not text or text.startswith(f"{cls.__name__}("):
        return schema
    return {"description": text} | schema


def _qualified(kind: Any) -> str:
    """The name of a class after its module, with the short names of its arguments; the whole ones are before it."""
    cls, arguments = get_origin(kind) or kind, get_args(kind)
    whole = f"[{', '.join(inspect.formatannotation(each) for each in arguments)}]".replace(":", ".")
    return f"{cls.__module__}{whole if arguments else ''}:{'_'.join([cls.__name__, *map(_short, arguments)])}"


def _short(kind: Any) -> str:
    if isinstance(kind, type) and get_origin(kind) is None:
        return kind.__name__
    return re.sub(r"\W+", "_", inspect.formatannotation(kind)).strip("_")
