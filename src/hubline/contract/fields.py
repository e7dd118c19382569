"""The fields of a class, with their names in JSON: of Structs, dataclasses, attrs classes and TypedDicts."""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, NotRequired, Protocol, Required, get_args, get_origin, get_type_hints

from msgspec import NODEFAULT, Struct, structs

from hubline.wire.foreign import is_attrs, is_pydantic_dataclass
from hubline.wire.names import camel_case, names_are_free


@dataclass(frozen=True, slots=True)
class Field:
    """`is_read`: clients may send it; `omitted`: it is not sent when it has its default."""

    name: str
    kind: Any
    required: bool
    is_read: bool = True
    omitted: bool = False


def substitute(hint: Any, bound: Mapping[Any, Any]) -> Any:
    """A hint with its type variables replaced; those that are not bound are `Any`."""
    if type(hint).__name__ == "TypeVar":
        return bound.get(hint, hint.__bound__ or Any)
    parameters = getattr(hint, "__parameters__", ())
    if not parameters or (isinstance(hint, type) and get_origin(hint) is None):
        return hint
    return hint[tuple(substitute(each, bound) for each in parameters)]


def bindings(kind: Any) -> dict[Any, Any]:
    """What the type variables of a class and its bases stand for: of `Page[Room]`, T is Room."""
    cls = get_origin(kind) or kind
    bound = dict(zip(getattr(cls, "__parameters__", ()), get_args(kind), strict=False))
    for base in getattr(cls, "__orig_bases__", ()):
        if get_origin(base) not in (None, Generic, Protocol):
            bound |= bindings(substitute(base, bound))
    return bound


def has_fields(cls: Any) -> bool:
    return isinstance(cls, type) and (
        issubclass(cls, Struct) or dataclasses.is_dataclass(cls) or is_attrs(cls) or hasattr(cls, "__total__")
    )


def keeps_names(cls: type) -> bool:
    """Whether its names are not changed, nor those of the values in it."""
    return issubclass(cls, Struct) and not names_are_free(cls)


def fields_of(kind: Any, *, renames: bool) -> list[Field]:
    """The fields in order. `renames`: they are in camelCase unless the class has names of its own."""
    cls: Any = get_origin(kind) or kind
    if issubclass(cls, Struct):
        return list(_struct_fields(kind, cls, renames=renames and names_are_free(cls)))
    hints = {name: substitute(hint, bindings(kind)) for name, hint in hints_of(cls).items()}
    if hasattr(cls, "__total__"):
        keys = {name: _is_required(hint, name in cls.__required_keys__) for name, hint in hints.items()}
        return [Field(name, _bare(hint), keys[name], omitted=not keys[name]) for name, hint in hints.items()]
    aliases: dict[str, str] = {}
    if is_pydantic_dataclass(cls):
        known = cls.__pydantic_fields__
        aliases = {name: each.serialization_alias for name, each in known.items() if each.serialization_alias}
    return [
        Field(aliases.get(name, camel_case(name) if renames else name), hints.get(name, Any), required, is_read=is_read)
        for name, required, is_read in _attributes(cls)
    ]


def _struct_fields(kind: Any, cls: type[Struct], *, renames: bool) -> Iterator[Field]:
    try:
        kinds = {each.name: each.type for each in structs.fields(kind)}
    except Exception:  # as for hints
        kinds = {}
    defaults = cls.__struct_defaults__
    with_default = cls.__struct_fields__[len(cls.__struct_fields__) - len(defaults) :]
    without = {name for name, default in zip(with_default, defaults, strict=True) if default is NODEFAULT}
    for name, encoded in zip(cls.__struct_fields__, cls.__struct_encode_fields__, strict=True):
        required = name not in with_default or name in without
        yield Field(
            camel_case(name) if renames else encoded,
            kinds.get(name, Any),
            required,
            omitted=cls.__struct_config__.omit_defaults and not required,
        )


def _attributes(cls: Any) -> list[tuple[str, bool, bool]]:
    """Name, whether it has no default, whether it is read."""
    if not dataclasses.is_dataclass(cls):
        return [(each.name, each.default.__class__.__name__ == "_Nothing", each.init) for each in cls.__attrs_attrs__]
    return [
        (each.name, each.default is each.default_factory is dataclasses.MISSING, each.init)
        for each in dataclasses.fields(cls)
    ]


def hints_of(cls: type) -> dict[str, Any]:
    """The hints of a class; `Any` for all of them if one cannot be resolved."""
    try:
        return get_type_hints(cls, include_extras=True)
    except Exception:  # hints that are text can raise any exception; of what is only sent, nothing has resolved them
        return dict.fromkeys(getattr(cls, "__annotations__", ()), Any)


def _bare(hint: Any) -> Any:
    while get_origin(hint) in (Required, NotRequired) or str(get_origin(hint)) == "typing_extensions.ReadOnly":
        hint = get_args(hint)[0]
    return hint


def _is_required(hint: Any, otherwise: bool) -> bool:
    """Of a TypedDict's key. Where hints are text, only the resolved hint knows of `Required` and `NotRequired`."""
    origin = get_origin(hint)
    return origin is Required or (origin is not NotRequired and otherwise)
