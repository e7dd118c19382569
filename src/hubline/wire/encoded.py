"""A value that goes to many connections one by one, encoded once."""

from collections.abc import Callable
from typing import Any, Generic

from msgspec import Raw
from typing_extensions import TypeVar

T = TypeVar("T")


class Encoded(Generic[T]):
    """A value that is encoded once for each codec, however often it is sent: in streams, results and calls to clients.

    Make one where the same value goes to many: an item that a thousand streams yield, a result that is kept. A call to
    many clients encodes its arguments once in any case. It stands for the value, alone or within another one.
    What is sent is the value as it was when it was first encoded, so leave it alone from then on.
    """

    __slots__ = ("_forms", "value")

    def __init__(self, value: T) -> None:
        self.value = value
        """What it stands for."""
        self._forms: dict[Any, Raw] = {}

    def form(self, encode: Callable[[Any], bytes]) -> Raw:
        """What `encode` makes of the value; for codecs, each of which gives the same function each time."""
        found = self._forms.get(encode)
        if found is None:
            found = self._forms[encode] = Raw(encode(self.value))
        return found

    def __repr__(self) -> str:
        return f"Encoded({self.value!r})"
