"""From a value that is still encoded to the type a hub method wants.

msgspec decodes straight into most types. Only where dataclasses or free Structs are in them (see `names.py`) the value
takes a second step: decode, give the fields their Python names, convert.
"""

from collections.abc import Callable, Collection, Iterable
from typing import Any, TypeAlias, TypeVar

from msgspec import DecodeError, Raw, ValidationError, convert, inspect

from hubline.wire.names import is_pydantic_model, names_are_free

T = TypeVar("T")
Read: TypeAlias = Callable[[Any], Any]


def value_reader(
    kind: type[T], *, decoder: Callable[[Any], Callable[[Raw], Any]], rename: Callable[[str], str], text_keys: bool
) -> Callable[[Raw], T]:
    """What `Codec.reader` returns. `decoder` makes a decoding function for a type; JSON has `text_keys` only.

    Raises:
        TypeError: something in `kind` has no form on the wire.
    """
    names = incoming_names(kind, rename)
    if names is None:
        decode = decoder(kind)
    else:
        decode_any, give_names = decoder(Any), names

        def decode(raw: Raw) -> Any:
            return convert(give_names(decode_any(raw)), kind, dec_hook=read_custom, str_keys=text_keys)

    def read(raw: Raw) -> T:
        try:
            value: T = decode(raw)
        except ValidationError:
            raise
        except (DecodeError, ValueError, TypeError, RecursionError) as error:
            raise ValidationError(f"the value is malformed: {error}") from error
        return value

    return read


def read_custom(kind: Any, value: Any) -> Any:
    """The `dec_hook` of both codecs: what msgspec itself cannot make."""
    if kind is object:
        return value
    if not is_pydantic_model(kind):
        raise TypeError(_no_form(kind))
    return kind.model_validate(value)


def _no_form(kind: Any) -> str:
    return f"values of type {kind} have no form on the wire"


def incoming_names(kind: Any, rename: Callable[[str], str]) -> Read | None:
    """A function that gives fields in decoded values of `kind` their Python names; `None` if there is nothing to do.

    It only renames; whether a value fits is for `msgspec.convert` to judge. An array-like Struct at the top is the
    argument list of a method, and is looked into.

    Raises:
        TypeError: something in `kind` has no form on the wire.
    """
    info = inspect.type_info(kind)
    names = _IncomingNames(rename)
    if isinstance(info, inspect.StructType) and info.array_like:
        return names.positions([field.type for field in info.fields])
    return names.reader(info)


class _IncomingNames:
    """Builds the readers for one type; types that contain themselves are why it must remember them."""

    def __init__(self, rename: Callable[[str], str]) -> None:
        self._rename = rename
        self._objects: dict[int, Read] = {}

    def reader(self, info: inspect.Type) -> Read | None:
        if not any([_is_renamed(inner) for inner in _reachable(info, {})]):
            return None
        match info:
            case inspect.Metadata(type=inner):
                return self.reader(inner)
            case inspect.UnionType(types=types):
                return self._union(types)
            case inspect.DictType(value_type=inner):
                return self._dict(self.reader(inner))
            case inspect.TupleType(item_types=types):
                return self.positions(types)
            case inspect.NamedTupleType(fields=named):
                return self.positions([field.type for field in named])
            case inspect.CollectionType(item_type=inner):
                return self._list(self.reader(inner))
        return self._objects.get(id(info)) or self._object(info)

    def positions(self, types: Iterable[inspect.Type]) -> Read | None:
        readers = [self.reader(inner) for inner in types]
        if not any(readers):
            return None

        def read(values: Any) -> Any:
            if type(values) is not list:
                return values
            known = zip(values, readers, strict=False)
            return [value if read is None else read(value) for value, read in known] + values[len(readers) :]

        return read

    def _union(self, types: Iterable[inspect.Type]) -> Read:
        readers = {_is_list(inner): reader for inner in types if (reader := self.reader(inner))}
        read_list, read_object = readers.get(True), readers.get(False)

        def read(value: Any) -> Any:
            chosen = read_list if type(value) is list else read_object
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
        for field in info.fields:
            entry = field.name, self.reader(field.type)
            if _is_renamed(info):
                exact[self._rename(field.name)] = folded[self._rename(field.name).lower()] = entry
            else:
                exact[field.encode_name] = entry
        return read


def _is_renamed(info: inspect.Type) -> bool:
    match info:
        case inspect.DataclassType():
            return True
        case inspect.StructType(cls=kind):
            return names_are_free(kind)
    return False


def _is_list(info: inspect.Type) -> bool:
    if isinstance(info, inspect.Metadata):
        return _is_list(info.type)
    return isinstance(info, inspect.CollectionType | inspect.TupleType | inspect.NamedTupleType)


def _reachable(info: Any, seen: dict[int, inspect.Type]) -> Collection[inspect.Type]:
    """Everything a value of this type may contain, itself included, except what is in Structs that are left alone."""
    if id(info) in seen:
        return ()
    seen[id(info)] = info
    if isinstance(info, inspect.CustomType) and info.cls is not object and not is_pydantic_model(info.cls):
        raise TypeError(_no_form(info.cls))
    if isinstance(info, inspect.StructType) and not _is_renamed(info):
        return seen.values()
    for slot in ("types", "item_types"):
        for inner in getattr(info, slot, ()):
            _reachable(inner, seen)
    for field in getattr(info, "fields", ()):
        _reachable(field.type, seen)
    for slot in ("type", "item_type", "key_type", "value_type"):
        if hasattr(info, slot):
            _reachable(getattr(info, slot), seen)
    return seen.values()
