"""Decodes the encoded arguments of a call to the types of the parameters, in one step."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Raw, Struct, ValidationError
from msgspec.structs import astuple

from hubline.errors import BindingError
from hubline.wire.codec import Codec

_ARGUMENT_PATH = re.compile(r" - at `\$\[(\d+)\](.*)`$")


@dataclass(frozen=True, slots=True)
class Argument:
    """A parameter whose value the client sends. `default` is `msgspec.NODEFAULT` if it is required."""

    name: str
    kind: Any
    default: Any = msgspec.NODEFAULT


class Binder:
    """Decodes the argument list of one method, from any codec.

    The list is an array-like struct: types, defaults and the number of arguments are checked in one C call.
    """

    __slots__ = ("_arguments", "_readers", "_struct", "_target")

    def __init__(self, target: str, arguments: Sequence[Argument]) -> None:
        """Raises TypeError if msgspec cannot handle a type, or a required parameter follows one with a default."""
        self._target, self._arguments = target, tuple(arguments)
        self._struct: type[Struct] = msgspec.defstruct(
            f"{target}Arguments",
            [_field(argument) for argument in arguments],
            array_like=True,
            forbid_unknown_fields=True,
            gc=False,
        )
        self._readers: dict[str, Callable[[Raw], Struct]] = {}

    def prepare(self, codec: Codec) -> None:
        """Make the reader for a codec now, so that a type it can't read is found at start-up. Raises TypeError."""
        self._readers[codec.name] = codec.reader(self._struct)

    def bind(self, codec: Codec, raw: Raw) -> tuple[Any, ...]:
        """The arguments in order, defaults filled in.

        Raises:
            BindingError: they do not fit. Its message is for the caller.
        """
        try:
            return astuple(self._readers[codec.name](raw))
        except ValidationError as error:
            raise BindingError(self._target, self._explain(codec, raw, str(error))) from None

    def _explain(self, codec: Codec, raw: Raw, text: str) -> str:
        """Name the argument by number and name, or the count in the original's words."""
        try:
            given = len(codec.reader(list[Raw])(raw))
        except ValidationError:  # not a list, which shows only when the arguments are decoded
            return text
        required = sum(a.default is msgspec.NODEFAULT for a in self._arguments)
        if not required <= given <= len(self._arguments):
            return f"Invocation provides {given} argument(s) but target expects {len(self._arguments)}."
        found = _ARGUMENT_PATH.search(text)
        if found is None:
            return text[:1].lower() + text[1:]
        position, path = int(found[1]), found[2]
        reason = text[: found.start()]
        name = self._arguments[position].name + path
        return f"{reason[:1].lower()}{reason[1:]} at argument {position + 1} ({name})"


MAXIMUM_READERS = 512
"""The number of types whose readers are kept. A class may be made for each call, so there must be a limit. Ours."""


class Readers:
    """Functions that read a value as a type. Making one takes longer than a call, so the latest are kept."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, Any], Callable[[Raw], Any]] = {}

    def reader(self, codec: Codec, kind: Any) -> Callable[[Raw], Any]:
        key = codec.name, kind
        try:
            return self._known[key]
        except KeyError:
            read = codec.reader(kind)
            if len(self._known) >= MAXIMUM_READERS:
                del self._known[next(iter(self._known))]
            self._known[key] = read
            return read
        except TypeError:  # an annotation that contains an unhashable object
            return codec.reader(kind)


def _field(argument: Argument) -> Any:
    """The field of the struct. Defaults are made by a factory, because msgspec itself accepts only immutable ones."""
    if argument.default is msgspec.NODEFAULT:
        return argument.name, argument.kind
    return argument.name, argument.kind, msgspec.field(default_factory=lambda: argument.default)
