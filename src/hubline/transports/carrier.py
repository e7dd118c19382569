"""What carries a session: one request at a time, a WebSocket, an event stream or a poll."""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol, TypeAlias

from hubline.connection import Feed, TransportConnection
from hubline.errors import ConnectionClosed

Serve: TypeAlias = Callable[[TransportConnection], Awaitable[None]]
"""The application: runs once for each connection."""


class Input(Protocol):
    """Where `receive()` gets its bytes from."""

    async def get(self) -> bytes:
        """The next bytes, never empty. Raises `ConnectionClosed` when there will be none."""

    def consume(self, feed: Feed) -> Coroutine[Any, Any, None]:
        """Feed everything that comes, one after the other, until `ConnectionClosed` is raised as by `get()`."""

    def close(self, error: ConnectionClosed) -> None:
        """Make a waiting `get()` and every later one raise `error`."""


class Carrier(Protocol):
    """One request that carries a session, from `Session.attach` until `Session.detach`. Nothing here raises."""

    @property
    def ready(self) -> bool:
        """Whether the peer is offered what is queued at the next turn of the loop, if there is something."""

    def wake(self) -> None:
        """Output is about to be queued on an empty outbox, or there will be none any more."""

    def finish(self, well: bool) -> None:
        """The application has ended, `well` or with an error: what is queued is the last there is."""

    def abandon(self) -> None:
        """The session has ended: let go of whatever still waits for the peer, then detach."""

    async def make_way(self) -> None:
        """A newer request takes the place: detach, and return when that is done."""


class Nobody:
    """The carrier of a session that was negotiated and not opened yet, or that no request carries at the moment."""

    ready = False

    def wake(self) -> None: ...

    def finish(self, well: bool) -> None: ...

    def abandon(self) -> None: ...

    async def make_way(self) -> None: ...


NOBODY = Nobody()
