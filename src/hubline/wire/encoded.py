"""A value that is sent many times and encoded once."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Generic, TypeAlias

from msgspec import Raw
from typing_extensions import TypeVar

T = TypeVar("T")

ItemEncoder: TypeAlias = Callable[[Any], bytes]
"""Encodes the items of one stream."""

SHARED_IDS = 256
"""Invocation ids whose encoders are kept. Clients count their invocations, so many streams have the same. Ours."""

SHARED_LENGTH = 32
"""The longest of these ids, in characters: a peer may send longer ones, and none of them is a count. Ours."""


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


def shared_by_id(make: Callable[[str], ItemEncoder]) -> Callable[[str], ItemEncoder]:
    """`make`, but streams with the same invocation id get the same function, so what one has made fits the others."""
    shared = lru_cache(SHARED_IDS)(make)

    def encoder(invocation_id: str) -> ItemEncoder:
        return shared(invocation_id) if len(invocation_id) <= SHARED_LENGTH else make(invocation_id)

    return encoder
