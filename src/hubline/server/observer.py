"""The interface of an observer of calls, which telemetry implements. Without an observer none of this runs."""

from enum import Enum
from typing import Protocol

from hubline.server.ports import HubConnection
from hubline.wire.messages import Invocation, StreamInvocation


class Outcome(Enum):
    """The outcomes of a call that arrived."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """Its method, a filter, a dependency or a policy raised, or its result cannot be encoded."""
    CANCELLED = "cancelled"
    """By its client, by the end of its connection or of the application, while it ran or before it started."""
    UNAUTHORIZED = "unauthorized"
    """A policy refused it, before it started, or for a stream after a refresh."""
    REFUSED = "refused"
    """Called in the wrong way: a stream as a call, an id that is in use, or more streams than a connection may have."""
    UNBOUND = "unbound"
    """The arguments do not fit the method."""
    UNKNOWN = "unknown"
    """There is no such method."""


class Operation(Protocol):
    """User code that is running."""

    def end(self, error: BaseException | None) -> None:
        """It has ended; `error` is what it raised, unless that was its own cancellation."""


class Observer(Protocol):
    """Is told of everything that runs for connections. It must not raise, because that would fail the call."""

    def begin(
        self, hub: type, name: str, connection: HubConnection, message: Invocation | StreamInvocation | None
    ) -> Operation:
        """The method `name` begins, or without a message one of `on_connected`, `on_disconnected`,
        `on_authentication_refreshed` and `on_backplane_gap`. Called in the context in which that runs, so context
        variables reach it.
        """

    def ended(self, hub: type, name: str | None, connection: HubConnection, outcome: Outcome) -> None:
        """A call has ended: called once for each call that arrived. `name` is the registered name, if there is one."""
