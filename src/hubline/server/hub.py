"""The base class of hubs."""

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Generic, Protocol, TypeAlias, get_args, get_origin

from hubline.connection import ConnectionScope
from hubline.server.clients import Asker, Client, ClientT, HubCallerClients, HubClients
from hubline.server.context import HubCallerContext
from hubline.server.members import Addressee
from hubline.server.ports import GroupManager, HubServices

Admit: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[ConnectionScope]]
"""Returns the request of an ASGI scope with its identity. An exception refuses the request."""

Permit: TypeAlias = Callable[[ConnectionScope, str, Sequence[Any]], Awaitable[int | None]]
"""Whether whoever sends a request may call a method, by the name of its function, with these arguments: `None`, or the
HTTP status of the refusal. Raises what a policy raises."""


class Scope(Asker, Protocol):
    """What a hub object is given for its call."""

    @property
    def context(self) -> HubCallerContext: ...

    @property
    def connection(self) -> Addressee: ...

    @property
    def runtime(self) -> HubServices: ...


class Hub(Generic[ClientT]):
    """The base class of hubs. Clients can call every public method of a subclass that is not marked `@hidden`.

    A hub object lives for one call, so do not keep state in its fields; use `context.items` for the state of a
    connection. `Hub[ChatClient]` types the calls to clients with a Protocol of yours; plain `Hub` calls them by name.
    """

    hubline_scope: Scope
    """Set by the dispatcher before any code of the hub runs."""

    _hubline_calls: ClassVar[type | None] = None
    """A Protocol of what the class itself calls on clients, besides that in `Hub[…]`. For descriptions."""

    @classmethod
    def _served(cls, admit: Admit, permit: Permit, ends_with_token: bool) -> None:
        """Called when an app has given the class a path. Subclasses with other routes use `admit` for requests, and
        `permit` for those that do what a method does.

        `ends_with_token`: whether what stays open ends when its identity expires.
        """

    @classmethod
    def _opened(cls) -> None:
        """Called when the lifespan of an app begins that has the class at a path."""

    @property
    def clients(self) -> HubCallerClients[ClientT]:
        """The selectors for calls to clients."""
        scope = self.hubline_scope
        runtime = scope.runtime
        return HubCallerClients(runtime.fanout, runtime.interface, scope, scope.connection.id)

    @property
    def groups(self) -> GroupManager:
        """Puts connections into groups of this hub and takes them out."""
        return self.hubline_scope.runtime.fanout.groups

    @property
    def context(self) -> HubCallerContext:
        """The connection that made this call."""
        return self.hubline_scope.context

    async def on_connected(self) -> None:
        """Runs when a connection opens. No message of the client is handled before it returns.

        It can already send to the connection. An exception refuses the connection, without an invitation to reconnect.
        """

    async def on_authentication_refreshed(self) -> None:
        """Runs when the connection has a newer identity: `context.identity`.

        It is called once for each refresh, in order with the calls of this connection. Running calls keep their
        identity. An exception is only logged.
        """

    async def on_backplane_gap(self, since: datetime, until: datetime) -> None:
        """Runs when messages of other servers to this connection may have been lost between these times, in UTC.

        Called for each connection of this server when messages arrive again, in parallel with its calls. The lost
        messages are not sent again: tell the client to load its data again. An exception is only logged.
        """

    async def on_disconnected(self, error: Exception | None) -> None:
        """Runs when the connection has ended. `error` is `None` unless something went wrong. Nothing can be sent."""


class HubContext(Generic[ClientT]):
    """A hub's `clients` and `groups`, for code outside of it, such as a route or a timer."""

    def __init__(self, clients: HubClients[ClientT], groups: GroupManager, enter: Callable[[], None]) -> None:
        self._clients, self._groups, self._enter = clients, groups, enter

    @property
    def clients(self) -> HubClients[ClientT]:
        """The selectors for calls to clients."""
        self._enter()
        return self._clients

    @property
    def groups(self) -> GroupManager:
        """Adds connections to groups of the hub and removes them."""
        self._enter()
        return self._groups


def ends_of(hub: type[Hub[Any]]) -> tuple[Callable[..., Any], ...]:
    """The methods of a hub that run for events of a connection. Clients cannot call them."""
    return hub.on_connected, hub.on_disconnected, hub.on_authentication_refreshed, hub.on_backplane_gap


def client_protocol(hub: type[Hub[Any]]) -> type:
    """The Protocol in `Hub[…]`, also of a base class; `Client` if there is none."""
    for cls in hub.__mro__:
        for base in getattr(cls, "__orig_bases__", ()):
            origin, arguments = get_origin(base), get_args(base)
            if isinstance(origin, type) and issubclass(origin, Hub) and arguments and isinstance(arguments[0], type):
                return arguments[0]
    return Client
