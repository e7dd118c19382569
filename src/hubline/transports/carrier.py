"""The carrier of a session: one request at a time, a WebSocket, an event stream or a poll."""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol, TypeAlias

from hubline.connection import Feed, TransportConnection
from hubline.errors import ConnectionClosed

Serve: TypeAlias = Callable[[TransportConnection], Awaitable[None]]
"""The application: runs once for each connection."""


class Input(Protocol):
    """The source of bytes for `receive()`."""

    async def get(self) -> bytes:
        """The next bytes, never empty. Raises `ConnectionClosed` if there are no more."""

    def consume(self, feed: Feed) -> Coroutine[Any, Any, None]:
        """Call `feed` with everything that arrives, until `ConnectionClosed` is raised as by `get()`."""

    def close(self, error: ConnectionClosed) -> None:
        """Make a waiting `get()` and every later one raise `error`."""


class Carrier(Protocol):
    """One request that carries a session, from `Session.attach` until `Session.detach`. Nothing here raises."""

    @property
    def ready(self) -> bool:
        """Whether queued packets are offered to the peer at the next turn of the event loop."""

    def wake(self) -> None:
        """A packet is about to be queued in an empty outbox, or no more packets will be queued."""

    def finish(self, well: bool) -> None:
        """The application has ended, `well` or with an error. No more packets will be queued."""

    def abandon(self) -> None:
        """The session has ended: stop waiting for the peer, then detach."""

    async def make_way(self) -> None:
        """A newer request replaces this one: detach, and return when that is done."""


class Nobody:
    """The carrier of a session without a request: it is negotiated and not opened yet, or between two requests."""

    ready = False

    def wake(self) -> None: ...

    def finish(self, well: bool) -> None: ...

    def abandon(self) -> None: ...

    async def make_way(self) -> None: ...


NOBODY = Nobody()
