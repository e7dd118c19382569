"""What can be set about transports, each with its unit and its source."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from hubline._mistakes import Mistakes
from hubline.connection import AuthenticationRefresh, Transport

OutboxPolicy = Literal["close", "drop_oldest", "latest"]
RefreshCallback: TypeAlias = Callable[[AuthenticationRefresh], bool | Awaitable[bool]]


@dataclass(frozen=True, kw_only=True, slots=True)
class TransportOptions:
    """Settings of one endpoint. Durations are seconds, sizes bytes.

    Where a source is named, the default is that of ASP.NET Core; the other limits are ours, which has none there.

    Raises:
        ConfigurationError: some values make no sense; every one of them is named.
    """

    transports: frozenset[Transport] = frozenset(Transport)
    """Which transports are offered and answered. Source: `HttpConnectionDispatcherOptions.Transports`."""

    minimum_protocol_version: int = 0
    """The lowest negotiate version a client may ask for. Source: `…Options.MinimumProtocolVersion`."""

    application_buffer: int = 65_536
    """Bytes of POST bodies that wait for the application; beyond it POSTs are held until half of it is free.

    Source: `HttpConnectionDispatcherOptions.ApplicationMaxBufferSize`. Unlike there, 0 does not mean "unlimited".
    """

    outbox_capacity: int = 1_048_576
    """Bytes that may wait for one peer, those of a running write included. Ours."""

    outbox_messages: int = 10_000
    """Messages that may wait for one peer. Ours."""

    outbox_policy: OutboxPolicy = "close"
    """What a full outbox does: end the connection, or drop the oldest. `latest` ends it too, and has what raw
    connections `write` with a key replace what waits. `clients.latest(key)` does so under every policy. Ours.

    Only `close` never loses a message silently.
    """

    send_timeout: float = 10.0
    """How long one write may take before the connection is ended. Source: `…Options.TransportSendTimeout`."""

    poll_timeout: float = 90.0
    """How long a poll waits before it is answered empty. Source: `LongPollingOptions.PollTimeout`."""

    close_timeout: float = 5.0
    """How long a WebSocket peer has to answer our close. Source: `WebSocketOptions.CloseTimeout`."""

    disconnect_timeout: float = 15.0
    """How long a connection may live without a transport: negotiated and never opened, or between two polls.

    Source: `HttpConnectionManager`, 15 s, looked at once a second.
    """

    stateful_reconnect: bool = False
    """Whether a WebSocket connection outlives its socket, when the client asks for that: nothing that is sent meanwhile
    is lost. The client has to ask, too (`withStatefulReconnect()`). Source: `…Options.AllowStatefulReconnects`.

    Needs `outbox_policy="close"`: what another policy drops could not be said again.
    """

    maximum_connections: int = 20_000
    """Open connections; beyond it new ones are answered 503. Ours."""

    maximum_waiting: int = 20_000
    """Negotiated connections that were not opened yet; beyond it negotiate answers 503. Ours.

    As many as may be open: after a restart all clients come back at once, and negotiate before the first one connects.
    One takes less than 2 KB.
    """

    connections_per_user: int | None = None
    """Open connections of one user id; beyond it new ones are answered 429. Ours.

    `None` is no cap: how many tabs and devices a user has is known to the application only.
    """

    connections_per_address: int | None = None
    """Open connections from one address, of IPv6 from its /64; beyond it new ones are answered 429. Ours.

    `None` is no cap: a whole company may come from one address, and all do while a proxy in front is not trusted.
    """

    waiting_per_address: int | None = None
    """Of `maximum_waiting`, those that one address may take; beyond it negotiate answers 429. Ours.

    `None` is no cap, for the same reason: a whole company may come back at once from one address.
    """

    close_on_token_expiry: bool = False
    """Whether a connection ends when its identity expires. Source: `…Options.CloseOnAuthenticationExpiration`."""

    authentication_refresh: bool = False
    """Whether a live connection can get a newer identity, by `POST {hub}/refresh` or by its polls. Source: .NET 11."""

    on_authentication_refresh: RefreshCallback | None = None
    """Asked before a refreshed identity counts; what is not true, and an exception, refuses it. Source: .NET 11."""

    same_user: bool | Literal["signed_in"] = "signed_in"
    """Whether polls, POSTs and DELETEs of another user than the connection's are answered 403. Ours.

    `"signed_in"`: where both have a user id, and no authentication refresh may change it. `True`: also where one of
    them has none, and for refreshes. `False`: never, as in the original, where the connection token is proof enough.
    What is let through is logged.
    """

    def __post_init__(self) -> None:
        mistakes = Mistakes("TransportOptions")
        transports = f"some of {[str(each) for each in Transport]}"
        mistakes.fits("transports", self.transports, _are_transports(self.transports), transports)
        mistakes.one_of("minimum_protocol_version", self.minimum_protocol_version, (0, 1))
        mistakes.one_of("outbox_policy", self.outbox_policy, get_args(OutboxPolicy))
        mistakes.one_of("same_user", self.same_user, (True, False, "signed_in"))
        for name in ("send_timeout", "poll_timeout", "close_timeout", "disconnect_timeout"):
            mistakes.number(name, getattr(self, name), above=0)
        for name in _COUNTS:
            mistakes.whole(name, getattr(self, name), above=0)
        for name in ("connections_per_user", "connections_per_address", "waiting_per_address"):
            mistakes.whole(name, getattr(self, name), above=0, optional=True)
        for name in ("stateful_reconnect", "close_on_token_expiry", "authentication_refresh"):
            mistakes.flag(name, getattr(self, name))
        mistakes.function("on_authentication_refresh", self.on_authentication_refresh, optional=True)
        if self.stateful_reconnect and self.outbox_policy != "close":
            text = f"`stateful_reconnect` needs `outbox_policy='close'`, got {self.outbox_policy!r}"
            mistakes.found.append(text)
        if self.on_authentication_refresh is not None and not self.authentication_refresh:
            text = "`on_authentication_refresh` is never asked without `authentication_refresh=True`"
            mistakes.found.append(text)
        mistakes.tell()


_COUNTS = ("application_buffer", "outbox_capacity", "outbox_messages", "maximum_connections", "maximum_waiting")


def _are_transports(given: Any) -> bool:
    several = isinstance(given, Collection) and len(given) > 0
    return several and all(isinstance(each, Transport) for each in given)
