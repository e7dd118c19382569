"""How calls can be watched from outside: what telemetry implements. Without an observer nothing of this runs."""

from enum import Enum
from typing import Protocol

from hubline.server.ports import HubConnection
from hubline.wire.messages import Invocation, StreamInvocation


class Outcome(Enum):
    """What became of a call that arrived."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """Its method, a filter, a dependency or a policy raised, or its result has no form on the wire."""
    CANCELLED = "cancelled"
    """By its client, by the end of its connection or of the application, while it ran or before it began."""
    UNAUTHORIZED = "unauthorized"
    """A policy said no, before it began or, of a stream, after a refresh."""
    REFUSED = "refused"
    """Called in the wrong way: a stream as a call, an id that is in use, or more streams than a connection may have."""
    UNBOUND = "unbound"
    """The arguments do not fit the method."""
    UNKNOWN = "unknown"
    """There is no such method."""


class Operation(Protocol):
    """Something of the user's that runs."""

    def end(self, error: BaseException | None) -> None:
        """It has ended; `error` is what it raised, unless that was its own cancellation."""


class Observer(Protocol):
    """Told of everything that runs for connections. What it raises fails what it watches, so it should not."""

    def begin(
        self, hub: type, name: str, connection: HubConnection, message: Invocation | StreamInvocation | None
    ) -> Operation:
        """The method `name` begins, or without a message one of `on_connected`, `on_disconnected` and
        `on_authentication_refreshed`. Called in the context in which that runs, so context variables reach it.
        """

    def ended(self, hub: type, name: str | None, connection: HubConnection, outcome: Outcome) -> None:
        """A call has come to its end: once for each that arrived. `name` is the method's, as registered, if any."""
