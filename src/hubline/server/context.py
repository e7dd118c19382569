"""The connection as hub code sees it."""

import copy
from collections.abc import Callable
from typing import Any, Self

from hubline.connection import ConnectionScope, Identity, Transport
from hubline.server.invocations import Cancellation


class HubCallerContext:
    """The connection that a hub method runs for.

    There is one object for the life of the connection. After an authentication refresh, later calls get another object
    with the new identity.
    """

    __slots__ = ("_abort", "_user_id", "aborted", "connection_id", "items", "scope")

    def __init__(self, connection_id: str, scope: ConnectionScope, abort: Callable[[], None]) -> None:
        self.connection_id = connection_id
        """The public id: may be told to other clients. A reconnected client has a new one."""
        self.scope = scope
        """The HTTP request that opened the connection: path, query, headers, address."""
        self._user_id = scope.user_id
        self.items: dict[Any, Any] = {}
        """For your own data. It lives as long as the connection, while a hub object lives for one call."""
        self.aborted = Cancellation()
        """Requested when the connection has ended."""
        self._abort = abort

    def renewed(self, scope: ConnectionScope) -> Self:
        """The same connection after a refresh; `items` and `aborted` are shared."""
        context = copy.copy(self)
        context.scope, context._user_id = scope, scope.user_id
        return context

    @property
    def identity(self) -> Identity | None:
        """The user's identity. Over long polling each poll may have a new one."""
        return self.scope.identity

    @property
    def transport(self) -> Transport:
        """The transport of the connection."""
        transport = self.scope.transport
        assert transport is not None, "the scope is that of the request which opened the connection"
        return transport

    @property
    def user_id(self) -> str | None:
        """The id for `clients.user(…)`. Only a refresh can change it, if that is allowed."""
        return self._user_id

    def _release(self) -> None:
        """The connection has ended. Drop the reference to it, so that this object does not keep it alive."""
        self._abort = _nothing

    def abort(self) -> None:
        """End the connection without inviting the client to reconnect. May be called from any thread."""
        self._abort()


def _nothing() -> None: ...
