"""Names of fields: `first_name` in Python, `firstName` in JSON, `FirstName` in MessagePack.

These are the defaults of the original for objects: `JsonSerializerOptions.Web` and MessagePack's contractless resolver.
The fields of dataclasses, of attrs classes and of msgspec Structs without options are renamed. A Struct with a
`rename`, a tag or `array_like` is not changed, nor the values in it. Keys of dicts and TypedDicts are data and are not
renamed. Pydantic models use their aliases, and so does a field of a Pydantic dataclass that has one.
`HubOptions(field_names="as_written")` writes the Python names. Names are read without regard to case, as
System.Text.Json does with these defaults.

For values without such objects, only their type is checked, which costs almost nothing.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from operator import attrgetter
from typing import Any, Literal, TypeAlias
from uuid import UUID

from msgspec import UNSET, Raw, Struct, UnsetType, defstruct, field
from msgspec.structs import FieldInfo, fields

from hubline.wire.encoded import Encoded
from hubline.wire.foreign import attribute_names, is_attrs, is_pydantic_dataclass, is_pydantic_model, pydantic_adapter
from hubline.wire.plainer import plainer

Write: TypeAlias = Callable[[Any], Any]

FieldNames: TypeAlias = Literal["by_codec", "as_written"]

MAXIMUM_KNOWN = 512
"""The number of types whose writers are kept. A class may be made for each call, and a writer takes up to 10 KB.
Ours."""

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
"""Types that msgspec writes correctly and that contain no other values."""


def camel_case(name: str) -> str:
    """`first_name` → `firstName`. An underscore at the end, as in `class_`, is dropped."""
    first, *others = name.strip("_").split("_") if name.strip("_") else [name]
    return first[:1].lower() + first[1:] + "".join(part[:1].upper() + part[1:] for part in others)


def pascal_case(name: str) -> str:
    """`first_name` → `FirstName`."""
    camel = camel_case(name)
    return camel[:1].upper() + camel[1:]


class OutgoingNames:
    """Replaces objects, at any depth of a value, by objects whose fields have the names on the wire."""

    def __init__(
        self,
        rename: Callable[[str], str],
        *,
        pydantic_mode: str,
        special: Mapping[type, Write],
        left_alone: "Callable[[type[Struct], OutgoingNames], Write | None]",
    ) -> None:
        """`special` has writers for types; `left_alone` makes one for a Struct that keeps its names, or `None`."""
        self._rename, self._left_alone = rename, left_alone
        self._pydantic_mode = pydantic_mode
        self.plain = PLAIN - special.keys()
        """Types whose values are not changed. A check here saves a call."""
        self._writers: dict[type, Write] = {
            list: self.each,
            tuple: self.each,
            set: self.each,
            frozenset: self.each,
            dict: self._dict,
            **special,
        }
        self._learnt: deque[type] = deque()

    def __call__(self, value: Any) -> Any:
        """The value to encode: `value` itself, unless it contains something to rename."""
        kind = type(value)
        if kind in self.plain:
            return value
        write = self._writers.get(kind)
        if write is None:
            write = self._learn(kind)
        return write(value)

    def each(self, values: Any) -> Any:
        """The same for a list, but faster."""
        if type(values) is Raw or self.plain.issuperset(map(type, values)):
            return values
        return [self(value) for value in values]

    def unknown(self, value: Any) -> Any:
        """The `enc_hook` of both codecs: for keys, and for values inside Structs that keep their names."""
        kind = type(value)
        if is_pydantic_model(kind) or kind is Encoded:
            return self(value)
        make = plainer(kind)
        if make is None:
            raise TypeError(f"there is no encoding for values of type {kind.__qualname__}")
        return make(value)

    def _dict(self, values: Any) -> Any:
        if self.plain.issuperset(map(type, values.values())):
            return values
        return {key: self(value) for key, value in values.items()}

    def _learn(self, kind: type) -> Write:
        write = self._writer(kind)
        if len(self._learnt) >= MAXIMUM_KNOWN:
            self._writers.pop(self._learnt.popleft(), None)
        self._learnt.append(kind)
        self._writers[kind] = write
        return write

    def _writer(self, kind: type) -> Write:
        if is_pydantic_model(kind):
            return lambda model: self(model.model_dump(mode=self._pydantic_mode, by_alias=True))
        if is_pydantic_dataclass(kind):
            return self._pydantic_writer(kind)
        if is_dataclass(kind) or is_attrs(kind):
            return self._object_writer(kind, [(name, Any) for name in attribute_names(kind)], omit=False)
        if issubclass(kind, Enum) and not self.plain.issuperset(type(each.value) for each in kind):
            return lambda member: self(member.value)
        if issubclass(kind, Struct):
            return self._struct_writer(kind)
        for container in (dict, list, tuple, set, frozenset):
            if issubclass(kind, container):
                return self._writers[container]
        make = plainer(kind)
        return (lambda value: value) if make is None else lambda value: self(make(value))

    def _struct_writer(self, kind: type[Struct]) -> Write:
        if not names_are_free(kind):
            return self._left_alone(kind, self) or (lambda value: value)
        config = kind.__struct_config__
        if not config.omit_defaults:
            return self._object_writer(kind, [(name, Any) for name in kind.__struct_fields__], omit=False)
        return self._object_writer(kind, [(each.name, Any, _default(each)) for each in fields(kind)], omit=True)

    def _pydantic_writer(self, kind: type) -> Write:
        """The writer of a Pydantic dataclass, which uses its serializers and leaves out excluded fields."""
        known: dict[str, Any] = kind.__pydantic_fields__  # type: ignore[attr-defined]
        aliases = {name: each.serialization_alias for name, each in known.items() if each.serialization_alias}
        decorators: Any = kind.__pydantic_decorators__  # type: ignore[attr-defined]
        if not (decorators.field_serializers or decorators.model_serializers or decorators.computed_fields):
            kept = [(name, Any) for name in attribute_names(kind) if name not in known or not known[name].exclude]
            return self._object_writer(kind, kept, omit=False, aliases=aliases)
        dump = pydantic_adapter(kind).dump_python
        wire_names = {
            name: aliases.get(name, self._rename(name))
            for name in (*attribute_names(kind), *decorators.computed_fields)
        }

        def write(value: Any) -> Any:
            found = dump(value, mode=self._pydantic_mode, by_alias=False)
            if not isinstance(found, dict):
                return self(found)
            return {wire_names.get(name, name): self(item) for name, item in found.items()}

        return write

    def _object_writer(
        self, kind: type, definitions: list[Any], *, omit: bool, aliases: Mapping[str, str] | None = None
    ) -> Write:
        names = [definition[0] for definition in definitions]
        wire_names = {name: self._rename(name) for name in names} | dict(aliases or {})
        twin = defstruct(kind.__name__, definitions, rename=wire_names, omit_defaults=omit)
        if len(names) < 2:
            return lambda value: twin(*[self(getattr(value, name)) for name in names])
        get, plain = attrgetter(*names), self.plain

        def write(value: Any) -> Any:
            values = get(value)
            return twin(*values) if plain.issuperset(map(type, values)) else twin(*map(self, values))

        return write


def as_written(name: str) -> str:
    """The Python name, unchanged."""
    return name


def names_are_free(kind: type[Struct]) -> bool:
    """Whether the fields of a Struct are renamed: it has no options of its own.

    A `rename` that changes none of the names cannot be detected and has no effect.
    """
    config = kind.__struct_config__
    return (
        config.tag_field is None and not config.array_like and kind.__struct_encode_fields__ == kind.__struct_fields__
    )


def _default(known: FieldInfo) -> Any:
    if known.required:
        return UNSET
    return field(default_factory=known.default_factory) if callable(known.default_factory) else known.default
