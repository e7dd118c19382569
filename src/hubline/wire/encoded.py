"""A value that is sent many times and encoded once."""

from collections.abc import Callable
from typing import Any, Generic

from msgspec import Raw
from typing_extensions import TypeVar

T = TypeVar("T")


class Encoded(Generic[T]):
    """A value that is encoded once for each codec, however often it is sent: in streams, results and calls to clients.

    Use it if the same value is sent many times, such as an item that a thousand streams yield, or a cached result. A
    call to many clients encodes its arguments only once in any case. Use it in place of the value, alone or inside
    another value. Do not change the value afterwards: what is sent is its state at the first encoding.
    """

    __slots__ = ("_forms", "value")

    def __init__(self, value: T) -> None:
        self.value = value
        """The value."""
        self._forms: dict[Any, Raw] = {}

    def form(self, encode: Callable[[Any], bytes]) -> Raw:
        """The value, encoded by `encode`. For codecs, each of which always passes the same function."""
        found = self._forms.get(encode)
        if found is None:
            found = self._forms[encode] = Raw(encode(self.value))
        return found

    def __repr__(self) -> str:
        return f"Encoded({self.value!r})"
