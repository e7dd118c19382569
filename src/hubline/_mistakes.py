"""Mistakes in settings: each a sentence with the setting, the expected value and the given one.

Settings come from environment variables and files as often as from code: `"no"` counts as true in Python, `True` as 1,
and every comparison with NaN is false, so each value is checked as strictly as its type hint says.
"""

import inspect
import math
from collections.abc import Callable, Collection, Mapping
from numbers import Integral, Real
from typing import Any, TypeVar

from hubline.errors import ConfigurationError

T = TypeVar("T")


class Mistakes:
    """Collects mistakes. Each check returns the value if it is valid, and otherwise `None`."""

    def __init__(self, owner: str) -> None:
        """`owner` stands before the name of each setting: `HubOptions` makes `HubOptions.codecs`."""
        self._owner = owner
        self.found: list[str] = []

    def number(
        self, name: str, value: Any, *, above: float = -math.inf, least: float = -math.inf, optional: bool = False
    ) -> Any:
        """A finite number, `above` one or `least` another."""
        right = _is_number(value, Real) and math.isfinite(value)
        kind = "a finite number" if _is_number(value, Real) and not right else "a number"
        return self._bounded(name, value, kind, right, above, least, optional)

    def whole(
        self, name: str, value: Any, *, above: float = -math.inf, least: float = -math.inf, optional: bool = False
    ) -> Any:
        """The same for whole numbers, such as counts and bytes."""
        return self._bounded(name, value, "a whole number", _is_number(value, Integral), above, least, optional)

    def flag(self, name: str, value: Any) -> Any:
        return self.fits(name, value, isinstance(value, bool), "True or False")

    def text(self, name: str, value: Any, *, optional: bool = False) -> Any:
        return self.fits(name, value, isinstance(value, str), "a text", optional=optional)

    def texts(self, name: str, value: Any) -> Any:
        """Several strings. A single string is a mistake, because it would be read as its characters."""
        right = isinstance(value, Collection) and not isinstance(value, str | bytes | Mapping)
        return self.fits(name, value, right and all(isinstance(each, str) for each in value), "a list of texts")

    def one_of(self, name: str, value: Any, choices: Collection[Any]) -> Any:
        """One of these constants, and nothing that only equals it, as 1 equals `True`."""
        right = any(type(value) is type(each) and value == each for each in choices)
        *others, last = map(repr, choices)
        return self.fits(name, value, right, f"{', '.join(others)} or {last}" if others else last)

    def instance(self, name: str, value: Any, kind: type[T], *, optional: bool = False) -> T | None:
        right = isinstance(value, kind)
        return self.fits(name, value, right, f"{_article(kind)} {kind.__name__}", optional=optional)  # type: ignore[no-any-return]

    def function(self, name: str, value: Any, *, optional: bool = False) -> Any:
        return self.fits(name, value, callable(value), "a function", optional=optional)

    def has(self, name: str, value: Any, wanted: str, *methods: str, optional: bool = False) -> Any:
        """An object of the application's own class, which only has to have these methods; a class is none."""
        right = not isinstance(value, type) and all(callable(getattr(value, each, None)) for each in methods)
        return self.fits(name, value, right, wanted, optional=optional)

    def fits(self, name: str, value: Any, right: bool, wanted: str, *, optional: bool = False) -> Any:
        """Any other check: `wanted` says what the value must be."""
        if right or (optional and value is None):
            return value
        none = "" if not optional else ", or None" if "," in wanted else " or None"
        self.found.append(f"{self._owner}.{name} must be {wanted}{none}, got {_shown(value)}")
        return None

    def replaced(self, cls: type, base: type) -> None:
        """Methods that take the place of those of `base` have their parameters: clients of the library call them."""
        for name, method in vars(base).items():
            own = inspect.getattr_static(cls, name)
            if name.startswith("_") or own is method or not (inspect.isfunction(method) and inspect.isfunction(own)):
                continue
            wanted = list(inspect.signature(method).parameters)[1:]
            given = inspect.signature(own).parameters
            anything = any(each.kind is each.VAR_POSITIONAL for each in given.values())
            if not anything and list(given)[1 : len(wanted) + 1] != wanted:
                self.found.append(
                    f"{self._owner}.{name} takes the place of {base.__name__}.{name}, which clients call with "
                    f"({', '.join(wanted)}): give it these parameters, or another name"
                )

    def check(self, make: Callable[[], T]) -> T | None:
        """An object that collects its mistakes itself."""
        try:
            return make()
        except ConfigurationError as error:
            self.found += error.problems
            return None

    def tell(self) -> None:
        """Raises ConfigurationError if there are any."""
        if self.found:
            raise ConfigurationError(self.found)

    def _bounded(
        self, name: str, value: Any, kind: str, right: bool, above: float, least: float, optional: bool
    ) -> Any:
        bound = f" greater than {above}" if above > -math.inf else ""
        bound += f", {least} or greater" if least > -math.inf else ""
        return self.fits(name, value, right and value > above and value >= least, kind + bound, optional=optional)


def _is_number(value: Any, kind: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _article(kind: type) -> str:
    return "an" if kind.__name__[0] in "AEIO" else "a"


def _shown(value: Any) -> str:
    """The value, shortened, because a setting may be a whole document."""
    try:
        text = repr(value)
    except Exception:
        text = f"an object of {type(value).__name__}"
    return text if len(text) <= 100 else text[:99] + "…"
