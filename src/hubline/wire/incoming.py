"""Prepares a decoded value for `msgspec.convert`: names of fields, dates and times, Pydantic's dataclasses.

Fields get their Python names, texts of dates get the form that msgspec reads, and values of Pydantic classes are
validated by Pydantic. `msgspec.convert` validates the rest.
"""

from collections.abc import Callable, Collection, Iterable
from typing import Any, TypeAlias

from msgspec import ValidationError, convert, inspect

from hubline.wire.foreign import is_pydantic_dataclass, is_pydantic_model, pydantic_adapter, validate
from hubline.wire.moments import moment_text, time_text
from hubline.wire.names import names_are_free

Read: TypeAlias = Callable[[Any], Any]
Rename: TypeAlias = Callable[[str], str]


def preparation(kind: Any, rename: Rename, *, lenient: bool = False, base64: bool = False) -> Read | None:
    """A function that prepares decoded values of `kind`; `None` if there is nothing to do.

    An array-like Struct at the top is the argument list of a method, and its fields are prepared. `lenient` prepares
    dates too; msgspec can read nearly all dates, so it is tried first without. With `base64`, bytes are sent as text.

    Raises:
        TypeError: a type in `kind` cannot be sent.
    """
    info = inspect.type_info(kind)
    arguments = isinstance(info, inspect.StructType) and info.array_like
    for part in _inner(info) if arguments else (info,):
        _refuse_without_form(part, {})
    parts = _Preparation(rename, lenient=lenient, base64=base64)
    if arguments:
        return parts.positions(_inner(info))
    return parts.reader(info)


def holds(kind: Any, *wanted: type[inspect.Type]) -> bool:
    """Whether values of a type may contain values of one of these types, at any depth."""
    return any([isinstance(each, wanted) for each in reachable(inspect.type_info(kind), {})])


def no_form(kind: Any) -> str:
    return f"there is no encoding for values of type {kind}"


class _Preparation:
    """Builds the readers for one type. It keeps them, because a type may contain itself."""

    def __init__(self, rename: Rename | None, *, lenient: bool, base64: bool, in_pydantic: bool = False) -> None:
        """`rename` is None inside Structs that keep their names. `in_pydantic` decodes base64 for Pydantic."""
        self._rename, self._lenient, self._base64 = rename, lenient, base64
        self._objects: dict[int, Read] = {}
        self._texts: dict[type, Read] = {inspect.TimeType: time_text}
        if lenient:
            self._texts[inspect.DateTimeType] = moment_text
        if in_pydantic and base64:
            self._texts[inspect.BytesType] = lambda value: convert(value, bytes) if isinstance(value, str) else value

    def reader(self, info: inspect.Type) -> Read | None:
        if not self._is_concerned_inside(info):
            return None
        if self._leaves_alone(info):
            return self._inside(info).reader(info)
        match info:
            case inspect.Metadata(type=inner):
                return self.reader(inner)
            case inspect.UnionType(types=types):
                return self._union(types)
            case inspect.DictType(value_type=inner):
                return self._dict(self._placed(inner, "[...]"))
            case inspect.TupleType(item_types=types):
                return self.positions(types)
            case inspect.NamedTupleType(fields=named):
                return self.positions([field.type for field in named])
            case inspect.CollectionType(item_type=inner):
                return self._list(self._placed(inner, "[...]"))
            case inspect.StructType(array_like=True, fields=items, tag=tag):
                return self.positions([field.type for field in items], offset=tag is not None)
        return self._texts.get(type(info)) or self._objects.get(id(info)) or self._object(info)

    def _is_concerned_inside(self, info: inspect.Type) -> bool:
        return any([self._is_concerned(inner) for inner in reachable(info, {}, self._leaves_alone)])

    def _is_concerned(self, info: inspect.Type) -> bool:
        if self._leaves_alone(info):
            return self._inside(info)._is_concerned_inside(info)
        return type(info) in self._texts or is_pydantic_dataclass(_class_of(info)) or self._is_renamed(info)

    def _leaves_alone(self, info: inspect.Type) -> bool:
        return self._rename is not None and isinstance(info, inspect.StructType) and not names_are_free(info.cls)

    def _is_renamed(self, info: inspect.Type) -> bool:
        if self._rename is None:
            return False
        return isinstance(info, inspect.DataclassType | inspect.StructType)

    def _placed(self, info: inspect.Type, place: str) -> Read | None:
        """The reader of a part. It adds the place to Pydantic's errors, as in msgspec's own errors."""
        read = self.reader(info)
        if read is None or not any([is_pydantic_dataclass(_class_of(inner)) for inner in reachable(info, {})]):
            return read

        def read_there(value: Any) -> Any:
            try:
                return read(value)
            except ValidationError as error:
                text, at, rest = str(error).partition(" - at `$")
                raise ValidationError(f"{text} - at `${place}{rest if at else '`'}") from error

        return read_there

    def positions(self, types: Iterable[inspect.Type], *, offset: bool = False) -> Read | None:
        readers = [None] * offset + [self._placed(inner, f"[{at}]") for at, inner in enumerate(types, offset)]
        if not any(readers):
            return None

        def read(values: Any) -> Any:
            if type(values) is not list:
                return values
            known = zip(values, readers, strict=False)
            return [value if read is None else read(value) for value, read in known] + values[len(readers) :]

        return read

    def _union(self, types: Iterable[inspect.Type]) -> Read:
        of_shape: dict[type, list[inspect.Type]] = {}
        for inner in types:
            if (shape := _shape(inner)) is not None:
                of_shape.setdefault(shape, []).append(inner)
        readers = {shape: self._by_tag(inner) for shape, inner in of_shape.items()}

        def read(value: Any) -> Any:
            chosen = readers.get(type(value))
            return value if chosen is None else chosen(value)

        return read

    def _by_tag(self, types: list[inspect.Type]) -> Read | None:
        """A reader for a union, which selects the type by the value. Several types of one shape are tagged Structs."""
        tagged = {getattr(info, "tag", None): self.reader(info) for info in types}
        if len(tagged) == 1:
            return next(iter(tagged.values()))
        place: Any = 0 if getattr(types[0], "array_like", False) else getattr(types[0], "tag_field", None)

        def read(value: Any) -> Any:
            try:
                chosen = tagged.get(value[place])
            except (LookupError, TypeError):
                return value
            return value if chosen is None else chosen(value)

        return read

    def _list(self, read: Read | None) -> Read:
        return lambda values: [read(value) for value in values] if read and type(values) is list else values

    def _dict(self, read: Read | None) -> Read:
        return lambda values: (
            {key: read(value) for key, value in values.items()} if read and type(values) is dict else values
        )

    def _object(self, info: Any) -> Read:
        exact: dict[str, tuple[str, Read | None]] = {}
        folded: dict[str, tuple[str, Read | None]] = {}

        def read(value: Any) -> Any:
            if type(value) is not dict:
                return value
            found = {}
            for key, item in value.items():
                if not isinstance(key, str):
                    continue
                field = exact.get(key) or folded.get(key.lower())
                if field is None:
                    found[key] = item
                else:
                    name, read_item = field
                    found[name] = item if read_item is None else read_item(item)
            return found

        self._objects[id(info)] = read
        cls = _class_of(info)
        if cls is not None and is_pydantic_dataclass(cls):
            validator, give_names = pydantic_adapter(cls).validate_python, read

            def read_by_pydantic(value: Any) -> Any:
                named = give_names(value)
                try:
                    return validate(validator, named) if type(value) is dict else value
                except ValueError as error:
                    raise ValidationError(str(error)) from error

            self._objects[id(info)] = read_by_pydantic
        inside = self._inside(info) if is_pydantic_dataclass(cls) else self
        aliases = _aliases(cls)
        entries = [
            (field.name, (aliases.get(field.name, field.encode_name), inside._placed(field.type, f".{field.name}")))
            for field in info.fields
        ]
        for name, entry in entries:
            if self._rename is not None and self._is_renamed(info):
                exact[self._rename(name)] = folded[self._rename(name).lower()] = entry
            exact[entry[0]] = entry
        for name, entry in entries if aliases or self._is_renamed(info) else ():
            exact.setdefault(name, entry)
            folded.setdefault(name.lower(), entry)
        return self._objects[id(info)]

    def _inside(self, info: inspect.Type) -> "_Preparation":
        """The reader for the content of a Struct that keeps its names, or of a Pydantic dataclass."""
        rename = None if isinstance(info, inspect.StructType) else self._rename
        in_pydantic = is_pydantic_dataclass(_class_of(info))
        inside = _Preparation(rename, lenient=self._lenient, base64=self._base64, in_pydantic=in_pydantic)
        inside._objects.update(self._objects)
        return inside


def reachable(
    info: Any, seen: dict[int, inspect.Type], is_end: Callable[[inspect.Type], bool] = lambda info: False
) -> Collection[inspect.Type]:
    """All types that a value of this type may contain, itself included. Does not look into types that are `is_end`."""
    if id(info) not in seen:
        seen[id(info)] = info
        for inner in () if is_end(info) else _inner(info):
            reachable(inner, seen, is_end)
    return seen.values()


def _inner(info: Any) -> list[inspect.Type]:
    found = [inner for slot in ("types", "item_types") for inner in getattr(info, slot, ())]
    found += [field.type for field in getattr(info, "fields", ())]
    slots = ("type", "item_type", "key_type", "value_type")
    return found + [getattr(info, slot) for slot in slots if hasattr(info, slot)]


def _refuse_without_form(info: inspect.Type, seen: dict[int, inspect.Type]) -> None:
    """Raise TypeError for types that msgspec cannot read, except in Structs that keep their names and in Pydantic's."""
    if id(info) in seen:
        return
    seen[id(info)] = info
    if isinstance(info, inspect.CustomType) and info.cls is not object and not is_pydantic_model(info.cls):
        raise TypeError(no_form(info.cls))
    alone = isinstance(info, inspect.StructType) and not names_are_free(info.cls)
    if not alone and not is_pydantic_dataclass(_class_of(info)):
        for inner in _inner(info):
            _refuse_without_form(inner, seen)


def _class_of(info: inspect.Type) -> type | None:
    return info.cls if isinstance(info, inspect.DataclassType) else None


def _aliases(cls: type | None) -> dict[str, str]:
    """The name by which Pydantic reads each field of its dataclass; empty for anything else."""
    if not is_pydantic_dataclass(cls):
        return {}
    known: dict[str, Any] = getattr(cls, "__pydantic_fields__", {})
    aliases = {name: field.validation_alias for name, field in known.items()}
    return {name: alias if isinstance(alias, str) else name for name, alias in aliases.items()}


def _shape(info: inspect.Type) -> type | None:
    """The Python type of a decoded value of this type, to select from a union: list, dict, or str for dates."""
    if isinstance(info, inspect.Metadata):
        return _shape(info.type)
    if isinstance(info, inspect.CollectionType | inspect.TupleType | inspect.NamedTupleType):
        return list
    if isinstance(info, inspect.StructType):
        return list if info.array_like else dict
    if isinstance(info, inspect.DataclassType | inspect.TypedDictType | inspect.DictType):
        return dict
    return str if isinstance(info, inspect.DateTimeType | inspect.TimeType | inspect.BytesType) else None
