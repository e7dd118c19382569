"""Values that a codec writes in a form of its own, inside of Structs that are otherwise left alone (`names.py`)."""

from collections.abc import Callable, Collection, Iterable, Mapping
from enum import Enum
from typing import Any, cast

from msgspec import Raw, Struct, inspect, to_builtins
from msgspec.structs import fields

from hubline.wire.foreign import attribute_names
from hubline.wire.incoming import holds
from hubline.wire.names import PLAIN, OutgoingNames, Write
from hubline.wire.plainer import is_mapping, is_sequence


class Inside:
    """Looks for values of one builtin type, subclasses included, and rewrites the Structs that hold some."""

    def __init__(
        self,
        sought: type,
        known_as: type[inspect.Type],
        *,
        concerns: Callable[[Any], bool] = lambda value: True,
        kept: tuple[type, ...] = (),
        from_raw: Callable[[Raw], Any] | None = None,
    ) -> None:
        """`known_as` is what msgspec calls the type; only what `concerns` counts. `kept` are other types that the
        codec writes itself, and `from_raw` reads what is encoded already, if it cannot be kept.
        """
        self._sought, self._concerns = sought, concerns
        self._types = (known_as, inspect.AnyType, inspect.CustomType)
        self._plain = PLAIN - {sought}
        self._kept, self._from_raw = (sought, *kept), from_raw

    def writer(self, kind: type[Struct], named: OutgoingNames) -> Write | None:
        """How to write such a Struct; `None` leaves it alone, since there can be nothing in it."""
        names = self._fields(kind)
        if not names:
            return None

        def unknown(value: Any) -> Any:
            if isinstance(value, Raw) and self._from_raw is not None:
                return self._from_raw(value)
            return named.unknown(value)

        def write(value: Any) -> Any:
            if not self._in([getattr(value, name) for name in names]):
                return value
            return named(to_builtins(value, builtin_types=self._kept, enc_hook=unknown))

        return write

    def _fields(self, kind: type[Struct]) -> list[str]:
        """Those in which there may be one. Of types that msgspec cannot read, all: we only write them."""
        try:
            return [each.name for each in fields(kind) if holds(each.type, *self._types)]
        except Exception:  # hints that are text can fail in every way that code can
            return list(kind.__struct_fields__)

    def _in(self, values: Iterable[Any]) -> bool:
        """Whether one is among these values or in one of them, other than as a key of a dict."""
        if self._plain.issuperset(map(type, values)):
            return False
        return any([self._is_one_or_holds_one(value) for value in values if type(value) not in self._plain])

    def _is_one_or_holds_one(self, value: Any) -> bool:
        return self._concerns(value) if isinstance(value, self._sought) else self._in(_parts(value))


def _parts(value: Any) -> Collection[Any]:
    kind = type(value)
    if isinstance(value, Enum):
        return (value.value,)
    if is_mapping(kind):
        return cast("Mapping[Any, Any]", value).values()
    if is_sequence(kind):
        return () if isinstance(value, str | bytes | bytearray | memoryview) else value
    names = value.__struct_fields__ if isinstance(value, Struct) else attribute_names(type(value))
    return [getattr(value, name) for name in names]
