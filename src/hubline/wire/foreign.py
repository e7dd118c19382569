"""Classes of other libraries: Pydantic's models and dataclasses, and attrs classes.

msgspec reads Pydantic's dataclasses and attrs classes itself, but ignores Pydantic's settings for them. This module
imports neither library: an application that uses such a class has imported the library.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import fields as dataclass_fields
from dataclasses import is_dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from msgspec import Struct
from msgspec.structs import fields


def is_pydantic_model(kind: Any) -> bool:
    """Whether `kind` is a Pydantic model."""
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and isinstance(kind, type) and issubclass(kind, pydantic.BaseModel)


def is_pydantic_dataclass(kind: Any) -> bool:
    """Whether `kind` is a Pydantic dataclass, or an ordinary dataclass that derives from one."""
    return isinstance(kind, type) and is_dataclass(kind) and hasattr(kind, "__pydantic_validator__")


def attribute_names(kind: type) -> tuple[str, ...]:
    """The fields of a dataclass or of an attrs class, in order; none for anything else."""
    if is_dataclass(kind):
        return tuple(field.name for field in dataclass_fields(kind))
    return tuple(attribute.name for attribute in getattr(kind, "__attrs_attrs__", ()))


def is_attrs(kind: type) -> bool:
    return hasattr(kind, "__attrs_attrs__")


def pydantic_adapter(kind: type) -> Any:
    """Pydantic's `TypeAdapter` of one of its dataclasses."""
    return sys.modules["pydantic"].TypeAdapter(kind)


def validate(read: Callable[[Any], Any], value: Any) -> Any:
    """Validate a value with Pydantic. Its ValueError is one line, with the fields that do not fit."""
    try:
        return read(value)
    except ValueError as error:
        if not hasattr(error, "errors"):
            raise
        found = [(".".join(map(str, each["loc"])), each["msg"]) for each in error.errors()]
        raise ValueError("; ".join(f"`{place}`: {text}" if place else text for place, text in found)) from error


def refuse_what_is_skipped(kind: Any) -> None:
    """Raise TypeError if a type, at any depth, has features that would be ignored when values are read.

    These are Pydantic's constraints and validators in `Annotated`, which Pydantic applies only in its own classes, and
    attrs converters, which only the `__init__` of the class runs.
    """
    for text in _skipped(kind, "", set()):
        raise TypeError(text)


def _skipped(kind: Any, path: str, seen: set[int]) -> Iterator[str]:
    while hasattr(kind, "__value__"):  # made by `type Name = …`
        kind = kind.__value__
    if get_origin(kind) is Annotated:
        place = f" ({path})" if path else ""
        for mark in get_args(kind)[1:]:
            if _constrains(mark):
                yield f"{mark!r}{place} counts in Pydantic's models and dataclasses only: use msgspec.Meta(…) here"
    for inner in get_args(kind):
        yield from _skipped(inner, path, seen)
    cls = get_origin(kind) or kind
    if not isinstance(cls, type) or id(cls) in seen or is_pydantic_model(cls) or is_pydantic_dataclass(cls):
        return
    seen.add(id(cls))
    for attribute in getattr(cls, "__attrs_attrs__", ()):
        if attribute.converter is not None:
            yield f"{cls.__qualname__}.{attribute.name} has a converter, which attrs runs in `__init__` only"
    for name, hint in _hints(cls).items():
        yield from _skipped(hint, f"{path}.{name}" if path else name, seen)


def _hints(cls: type) -> dict[str, Any]:
    if issubclass(cls, Struct):
        return {field.name: field.type for field in fields(cls)}
    if is_dataclass(cls) or is_attrs(cls) or hasattr(cls, "__total__") or hasattr(cls, "_fields"):
        try:
            return get_type_hints(cls, include_extras=True)
        except Exception:  # hints that are text can raise any exception; msgspec reports it
            return {}
    return {}


def _constrains(mark: Any) -> bool:
    """Whether an annotation in `Annotated` is a Pydantic constraint. A `Field` may only describe the value."""
    library = type(mark).__module__.partition(".")[0]
    if library not in ("pydantic", "annotated_types"):
        return False
    return bool(mark.metadata) if hasattr(mark, "metadata") else True
