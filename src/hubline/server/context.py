"""What hub code sees of its connection."""

import copy
from collections.abc import Callable
from typing import Any, Self

from hubline.connection import ConnectionScope, Identity, Transport
from hubline.server.invocations import Cancellation


class HubCallerContext:
    """The connection on whose behalf a hub runs.

    One object for the life of the connection, unless its authentication is refreshed: then what begins later gets
    another one, which differs in who it is only.
    """

    __slots__ = ("_abort", "_user_id", "aborted", "connection_id", "items", "scope")

    def __init__(self, connection_id: str, scope: ConnectionScope, abort: Callable[[], None]) -> None:
        self.connection_id = connection_id
        """The public id: may be told to other clients. A reconnected client has a new one."""
        self.scope = scope
        """The HTTP request that opened the connection: path, query, headers, address."""
        self._user_id = scope.user_id
        self.items: dict[Any, Any] = {}
        """Yours: lives as long as the connection, and is where state goes that hub objects cannot hold."""
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
        """Who it is now: over long polling each poll may say it anew."""
        return self.scope.identity

    @property
    def transport(self) -> Transport:
        """What carries the connection."""
        transport = self.scope.transport
        assert transport is not None, "the scope is that of the request which opened the connection"
        return transport

    @property
    def user_id(self) -> str | None:
        """What `clients.user(…)` finds the connection by. Only a refresh that is allowed to can change it."""
        return self._user_id

    def _release(self) -> None:
        """The connection has ended, so there is nothing left to abort; it is not kept by who keeps this."""
        self._abort = _nothing

    def abort(self) -> None:
        """End the connection, without inviting the client to come back. May be called from any thread."""
        self._abort()


def _nothing() -> None: ...
