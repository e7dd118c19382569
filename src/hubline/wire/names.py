"""Names of fields: `first_name` in Python, `firstName` in JSON, `FirstName` in MessagePack.

Those are the defaults of the original for objects: `JsonSerializerOptions.Web` and MessagePack's contractless resolver.
Renamed are the fields of dataclasses and of msgspec Structs that say nothing of their form themselves. A Struct with a
`rename`, a tag or `array_like` is left alone with everything in it; keys of dicts and TypedDicts are data; Pydantic
models go by their aliases. Names are read without regard to case, as System.Text.Json does here.

Values without such objects pay next to nothing: a look at their type.
"""

import dataclasses
import sys
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from operator import attrgetter
from typing import Any, TypeAlias
from uuid import UUID

from msgspec import UNSET, Raw, Struct, UnsetType, defstruct, field
from msgspec.structs import FieldInfo, fields

Write: TypeAlias = Callable[[Any], Any]

PLAIN: frozenset[type] = frozenset(
    (
        str,
        int,
        float,
        bool,
        type(None),
        bytes,
        bytearray,
        datetime,
        date,
        time,
        timedelta,
        Decimal,
        UUID,
        Raw,
        UnsetType,
    )
)
"""What msgspec writes as we want it, with nothing inside."""


def camel_case(name: str) -> str:
    """`first_name` → `firstName`; an underscore at the end, as in `class_`, is dropped."""
    first, *others = name.strip("_").split("_") if name.strip("_") else [name]
    return first[:1].lower() + first[1:] + "".join(part[:1].upper() + part[1:] for part in others)


def pascal_case(name: str) -> str:
    """`first_name` → `FirstName`."""
    camel = camel_case(name)
    return camel[:1].upper() + camel[1:]


def is_pydantic_model(kind: Any) -> bool:
    """Whether `kind` is a Pydantic model; Pydantic itself is never imported for that."""
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and isinstance(kind, type) and issubclass(kind, pydantic.BaseModel)


class OutgoingNames:
    """Replaces objects by ones whose fields have the names of the wire, wherever they are in a value."""

    def __init__(self, rename: Callable[[str], str], *, pydantic_mode: str, special: Mapping[type, Write]) -> None:
        self._rename = rename
        self._pydantic_mode = pydantic_mode
        self.plain = PLAIN - special.keys()
        """Types whose values need nothing; to ask here saves the call."""
        self._writers: dict[type, Write] = {
            list: self.each,
            tuple: self.each,
            set: self.each,
            frozenset: self.each,
            dict: self._dict,
            **special,
        }

    def __call__(self, value: Any) -> Any:
        """The value to encode: `value` itself unless there is something to rename."""
        kind = type(value)
        if kind in self.plain:
            return value
        write = self._writers.get(kind)
        if write is None:
            write = self._writers[kind] = self._writer(kind)
        return write(value)

    def each(self, values: Any) -> Any:
        """The same for a list, quicker."""
        if type(values) is Raw or self.plain.issuperset(map(type, values)):
            return values
        return [self(value) for value in values]

    def unknown(self, value: Any) -> Any:
        """The `enc_hook` of both codecs: models inside of Structs that are left alone, and subclasses of `str`."""
        if isinstance(value, str):
            return str.__str__(value)
        if is_pydantic_model(type(value)):
            return self(value)
        raise TypeError(f"values of type {type(value).__qualname__} have no form on the wire")

    def _dict(self, values: Any) -> Any:
        if self.plain.issuperset(map(type, values.values())):
            return values
        return {key: self(value) for key, value in values.items()}

    def _writer(self, kind: type) -> Write:
        if is_pydantic_model(kind):
            return lambda model: self(model.model_dump(mode=self._pydantic_mode, by_alias=True))
        if dataclasses.is_dataclass(kind):
            return self._object_writer(kind, [(each.name, Any) for each in dataclasses.fields(kind)], omit=False)
        if issubclass(kind, Struct):
            return self._struct_writer(kind)
        for container in (dict, list, tuple, set, frozenset):
            if issubclass(kind, container):
                return self._writers[container]
        return lambda value: value

    def _struct_writer(self, kind: type[Struct]) -> Write:
        if not names_are_free(kind):
            return lambda value: value
        config = kind.__struct_config__
        if not config.omit_defaults:
            return self._object_writer(kind, [(name, Any) for name in kind.__struct_fields__], omit=False)
        return self._object_writer(kind, [(each.name, Any, _default(each)) for each in fields(kind)], omit=True)

    def _object_writer(self, kind: type, definitions: list[Any], *, omit: bool) -> Write:
        names = [definition[0] for definition in definitions]
        wire_names = {name: self._rename(name) for name in names}
        twin = defstruct(kind.__name__, definitions, rename=wire_names, omit_defaults=omit)
        if len(names) < 2:
            return lambda value: twin(*[self(getattr(value, name)) for name in names])
        get, plain = attrgetter(*names), self.plain

        def write(value: Any) -> Any:
            values = get(value)
            return twin(*values) if plain.issuperset(map(type, values)) else twin(*map(self, values))

        return write


def names_are_free(kind: type[Struct]) -> bool:
    """Whether a Struct leaves the form of its fields to us.

    A `rename` that changes none of the names cannot be seen, and counts as none.
    """
    config = kind.__struct_config__
    return (
        config.tag_field is None and not config.array_like and kind.__struct_encode_fields__ == kind.__struct_fields__
    )


def _default(known: FieldInfo) -> Any:
    if known.required:
        return UNSET
    return field(default_factory=known.default_factory) if callable(known.default_factory) else known.default
