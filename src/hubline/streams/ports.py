"""What streams need of a connection and of a call."""

from collections.abc import Callable
from typing import Protocol


class ItemWriter(Protocol):
    """The receiver of items: a connection."""

    @property
    def write(self) -> Callable[[bytes], bool]:
        """Queues an encoded item. False if the caller should `drain()` before it sends more. It may be replaced."""

    @property
    def write_now(self) -> Callable[[bytes], bool]:
        """The same for an item that is likely to be the connection's only one in this turn of the event loop."""

    async def drain(self) -> None: ...


class HoldingWriter(ItemWriter, Protocol):
    """A connection for which items may be held back within a turn of the event loop."""

    def hold(self, pending: Callable[[], None]) -> bool:
        """Call `pending`, once, before anything else is written. False if every item must be written by itself."""

    def release(self) -> None:
        """Call what `hold` has got, unless it has been called."""


class Cancellable(Protocol):
    """The call that the items belong to."""

    @property
    def cancelled(self) -> bool:
        """Whether the stream is cancelled. The iterator may have swallowed the cancellation of its task."""
