"""The settings of transports, each with its unit and its source."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from hubline._mistakes import Mistakes
from hubline.connection import AuthenticationRefresh, Transport

OutboxPolicy = Literal["close", "drop_oldest", "latest"]
RefreshCallback: TypeAlias = Callable[[AuthenticationRefresh], bool | Awaitable[bool]]


@dataclass(frozen=True, kw_only=True, slots=True)
class TransportOptions:
    """Settings of one route. Durations are in seconds, sizes in bytes.

    If a source is named, the default is that of ASP.NET Core. The other limits are ours; ASP.NET Core has none there.

    Raises:
        ConfigurationError: lists every value that is not valid.
    """

    transports: frozenset[Transport] = frozenset(Transport)
    """Which transports are offered and answered. Source: `HttpConnectionDispatcherOptions.Transports`."""

    minimum_protocol_version: int = 0
    """The lowest negotiate version a client may ask for. Source: `…Options.MinimumProtocolVersion`."""

    application_buffer: int = 65_536
    """Bytes of POST bodies that wait for the application. Beyond it, POSTs wait until half of it is free.

    Source: `HttpConnectionDispatcherOptions.ApplicationMaxBufferSize`. Unlike there, 0 does not mean "unlimited".
    """

    outbox_capacity: int = 1_048_576
    """Bytes that may be queued for one client, those of a running write included. Ours."""

    outbox_messages: int = 10_000
    """Messages that may be queued for one client. Ours."""

    outbox_policy: OutboxPolicy = "close"
    """What a full outbox does: end the connection, or drop the oldest messages. `latest` ends the connection too. With
    it, a message that a raw connection writes with a key replaces a queued one with the same key. `clients.latest(key)`
    works with every policy. Ours.

    Only with `close`, no message is dropped without ending the connection.
    """

    send_timeout: float = 10.0
    """How long one write may take before the connection is ended. Source: `…Options.TransportSendTimeout`."""

    poll_timeout: float = 90.0
    """How long a poll waits before it is answered empty. Source: `LongPollingOptions.PollTimeout`."""

    close_timeout: float = 5.0
    """How long the server waits for a peer's answer to a WebSocket close. Source: `WebSocketOptions.CloseTimeout`."""

    disconnect_timeout: float = 15.0
    """How long a connection may be without a transport: negotiated and not opened, or between two polls.

    Source: `HttpConnectionManager`, 15 s, checked once a second.
    """

    stateful_reconnect: bool = False
    """Whether a connection continues after its WebSocket is lost, without losing messages. The client must ask for it
    too (`withStatefulReconnect()`). Source: `…Options.AllowStatefulReconnects`.

    Needs `outbox_policy="close"`, because messages that another policy drops could not be sent again.
    """

    maximum_connections: int = 20_000
    """Open connections. Beyond it, new ones are answered with 503. Ours."""

    maximum_waiting: int = 20_000
    """Connections that are negotiated and not opened yet. Beyond it, negotiate answers 503. Ours.

    The default is that of open connections, because after a restart all clients may negotiate before the first one
    connects. One takes less than 2 KB.
    """

    connections_per_user: int | None = None
    """Open connections of one user id. Beyond it, new ones are answered with 429. Ours.

    `None` is no cap, because only the application knows how many tabs and devices a user has.
    """

    connections_per_address: int | None = None
    """Open connections from one address, or for IPv6 from its /64. Beyond it, new ones are answered with 429. Ours.

    `None` is no cap, because a company may share one address, and all clients behind an untrusted proxy do.
    """

    waiting_per_address: int | None = None
    """The part of `maximum_waiting` that one address may take. Beyond it, negotiate answers 429. Ours.

    `None` is no cap, because all clients of a company may reconnect at once from one address.
    """

    close_on_token_expiry: bool = False
    """Whether a connection ends when its identity expires, and event streams of the hub's runs over plain HTTP.

    Source: `…Options.CloseOnAuthenticationExpiration`.
    """

    authentication_refresh: bool = False
    """Whether an open connection can get a newer identity, by `POST {hub}/refresh` or by its polls. Source: .NET 11."""

    on_authentication_refresh: RefreshCallback | None = None
    """Decides whether a refreshed identity is accepted. A false result or an exception refuses it. Source: .NET 11."""

    same_user: bool | Literal["signed_in"] = "signed_in"
    """Whether polls, POSTs and DELETEs of another user than the connection's are answered with 403. Ours.

    `"signed_in"`: if both have a user id, and no authentication refresh may change it. `True`: also if one of them has
    none, and for refreshes. `False`: never, as in the original, which checks only the connection token. Requests of
    other users that are accepted are logged.
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
