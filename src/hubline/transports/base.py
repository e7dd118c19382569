"""A transport, as the endpoint sees it.

Each is a module with a carrier and a `TransportType`, and a line in `table.py`; docs/extending/transport.md says how.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.types import Receive, Scope, Send

from hubline._tasks import TaskOwner
from hubline.connection import ConnectionScope, Transport
from hubline.transports.carrier import Serve
from hubline.transports.frame_transport import Flusher
from hubline.transports.session import Session


@dataclass(slots=True)  # not frozen: that takes a microsecond for each request
class Request:
    """One request: who sent it, and how it is answered."""

    scope: ConnectionScope
    asgi: Scope
    receive: Receive
    send: Send


class Resources(Protocol):
    """What all carriers of an application share: the registry."""

    @property
    def tasks(self) -> TaskOwner: ...

    def flusher(self) -> Flusher: ...


@dataclass(frozen=True, slots=True)
class TransportType:
    """One transport."""

    transport: Transport
    """Its name in negotiate, the formats that it can carry, and whether many requests carry one session.

    If they do, a DELETE ends the session, and no answer is cached.
    """
    matches: Callable[[ConnectionScope], bool]
    """Whether a request to the hub's path is for this transport. The first of the table that matches is used."""
    carry: Callable[[Session, Request, Serve, Resources], Coroutine[Any, Any, None]]
    """Carry the session for one request: make a carrier, attach it, run, detach it.

    A plain function that returns the coroutine saves one coroutine for each idle connection.
    """
    input_by_post: bool = True
    """Whether what the client sends comes by POST, into the inbox of the session."""
    needs_negotiation: bool = True
    """Whether a request without `id` is refused. Otherwise it opens a session that was not negotiated."""
