"""What an endpoint asks where its app is one of several nodes: `hubline.nodes` answers."""

from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

from hubline.connection import ConnectionScope
from hubline.transports.base import Request

Operation: TypeAlias = Literal["connect", "refresh"]


@dataclass(frozen=True, slots=True)
class Handover:
    """A negotiated connection that another node takes over, because its WebSocket has arrived there."""

    token: str
    connection_id: str
    asked_to_reconnect: bool
    to_be_found: bool
    """Whether further requests may name its token: a stateful reconnect, or an authentication refresh."""


class Elsewhere(Protocol):
    """The other nodes, as the endpoint of one path sees them."""

    def redirect(self, scope: ConnectionScope) -> str | None:
        """The address to which the answer to negotiate points a client. `None` if its connection is made here."""

    def forward(self, request: Request, token: str, operation: Operation) -> Coroutine[Any, Any, None] | None:
        """Have another node handle a request that was admitted here. `None` if the token names none.

        The coroutine answers the request, whatever happens.
        """
