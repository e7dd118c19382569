"""The base class of hubs."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Generic, Protocol, TypeAlias, get_args, get_origin

from hubline.connection import ConnectionScope
from hubline.server.clients import Client, ClientT, HubCallerClients, HubClients
from hubline.server.context import HubCallerContext

Admit: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[ConnectionScope]]
"""Says who sends a request, by its ASGI scope; what it raises refuses it."""


class GroupManager(Protocol):
    """Puts connections into named groups and takes them out."""

    async def add(self, connection_id: str, name: str) -> None:
        """Idempotent. An unknown connection is ignored. Membership ends with the connection."""

    async def remove(self, connection_id: str, name: str) -> None:
        """Idempotent. A connection that is not in the group is ignored."""


class Scope(Protocol):
    """What a hub object is given for the one call it lives for."""

    @property
    def context(self) -> HubCallerContext: ...

    @property
    def clients(self) -> HubCallerClients[Any]: ...

    @property
    def groups(self) -> GroupManager: ...


class Hub(Generic[ClientT]):
    """Methods that clients call. Subclass it; every public method is callable unless marked `@hidden`.

    A hub object lives for one call, so state in its fields is lost: per connection use `context.items`.
    `Hub[ChatClient]` types the calls to clients by a Protocol of yours; plain `Hub` makes them by name.
    """

    hubline_scope: Scope
    """Set by the dispatcher before anything of the hub runs."""

    @classmethod
    def _served(cls, admit: Admit) -> None:
        """An app has given the class a path. For classes with addresses beside it, which `admit` the same people."""

    @property
    def clients(self) -> HubCallerClients[ClientT]:
        """Whom this call can call."""
        return self.hubline_scope.clients

    @property
    def groups(self) -> GroupManager:
        """Puts connections into groups of this hub and takes them out."""
        return self.hubline_scope.groups

    @property
    def context(self) -> HubCallerContext:
        """The connection that made this call."""
        return self.hubline_scope.context

    async def on_connected(self) -> None:
        """A connection has been made; nothing it sends is handled before this returns.

        It can be addressed already. An exception refuses the connection for good.
        """

    async def on_authentication_refreshed(self) -> None:
        """The connection has got a newer identity: `context.identity`.

        Called once for each refresh, in order and in turn with the calls of this connection, whose running ones keep
        the identity they began with. What it raises is only logged.
        """

    async def on_disconnected(self, error: Exception | None) -> None:
        """A connection has ended: `error` is `None` unless something went wrong. It can no longer be written to."""


class HubContext(Generic[ClientT]):
    """A hub's `clients` and `groups`, for code outside of it: a route, a worker, a timer."""

    def __init__(self, clients: HubClients[ClientT], groups: GroupManager, enter: Callable[[], None]) -> None:
        self._clients, self._groups, self._enter = clients, groups, enter

    @property
    def clients(self) -> HubClients[ClientT]:
        """Whom one can call."""
        self._enter()
        return self._clients

    @property
    def groups(self) -> GroupManager:
        """Puts connections into groups of the hub, and takes them out."""
        self._enter()
        return self._groups


def client_protocol(hub: type[Hub[Any]]) -> type:
    """The Protocol in `Hub[…]`, looked for along the bases; `Client` when none is named."""
    for cls in hub.__mro__:
        for base in getattr(cls, "__orig_bases__", ()):
            origin, arguments = get_origin(base), get_args(base)
            if isinstance(origin, type) and issubclass(origin, Hub) and arguments and isinstance(arguments[0], type):
                return arguments[0]
    return Client
