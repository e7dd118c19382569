"""The interface between transports and hubs: the connection, the request that opened it, and its user."""

import asyncio
import copy
import functools
import ipaddress
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Any, Protocol, TypeAlias
from urllib.parse import parse_qsl

from starlette.requests import cookie_parser

from hubline.wire.codec import TransferFormat
from hubline.wire.packet import Packet

_EVENTS = b"text/event-stream"
_TEXT, _ALL = frozenset({TransferFormat.TEXT}), frozenset(TransferFormat)


class Transport(Enum):
    """The transports. The values and their order are those of the negotiate response."""

    WEB_SOCKETS = "WebSockets"
    """One socket for both directions. Text and binary."""
    SERVER_SENT_EVENTS = "ServerSentEvents"
    """One long response to the client, and a POST for what the client sends. Text only."""
    LONG_POLLING = "LongPolling"
    """A GET for each batch of messages, and a POST for what the client sends. Text and binary."""

    @property
    def transfer_formats(self) -> frozenset[TransferFormat]:
        """The formats that it can carry."""
        return _TEXT if self is Transport.SERVER_SENT_EVENTS else _ALL

    @property
    def many_requests(self) -> bool:
        """Whether one request after another carries the same connection. A new request is then its keep-alive."""
        return self is Transport.LONG_POLLING


@dataclass(frozen=True, slots=True)
class Identity:
    """The user of a connection."""

    user_id: str | None
    """The id for `clients.user(…)`, unless `HubApp(user_id=…)` sets another; `None` for no user."""
    claims: Mapping[str, Any] = field(default_factory=dict)
    """Everything that is known about the user, by name: for a bearer token, its claims."""
    expires_at: float | None = None
    """When the identity expires, in seconds since the epoch; `None` for never."""
    roles: frozenset[str] = frozenset()
    """The roles for `@authorize(roles=…)`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthenticationRefresh:
    """A new identity for an open connection: `on_authentication_refresh` decides whether it is accepted."""

    connection_id: str
    """The public id of the connection."""
    old: Identity | None
    """The present identity; `None` for a stranger."""
    new: Identity
    """The new identity."""
    scope: "ConnectionScope"
    """The request with the new identity: `POST {hub}/refresh`, or a poll."""


class ConnectionScope:
    """The HTTP request that opened a connection. Immutable except for the identity."""

    def __init__(
        self, scope: Mapping[str, Any], identity: Identity | None = None, *, address: str | None = None
    ) -> None:
        self.raw = scope
        """The ASGI scope of the request that opened the connection (for long polling: of the first poll)."""
        self.identity = identity
        """The identity of the sender; `None` for a stranger."""
        self.user_id = identity.user_id if identity is not None else None
        """The id for `clients.user(…)`: the identity's, or the result of `HubApp(user_id=…)`."""
        self.transport: Transport | None = None
        """The transport of the connection that this request opened; `None` before, as in `authenticate`."""
        self.address = address or (self.client[0] if self.client else None) or None
        """The client's address. If the peer is one of `HubApp(trusted_proxies=…)`, it is read from `X-Forwarded-For`.

        `None` if it is not known, as with a Unix socket that is not a trusted proxy.
        """

    def renewed(self, identity: Identity | None, user_id: str | None) -> "ConnectionScope":
        """A copy of the request with another identity. This object does not change, for code that already uses it."""
        scope = copy.copy(self)
        scope.identity, scope.user_id = identity, user_id
        return scope

    @property
    def path(self) -> str:
        """The path of the request with the path of the mount: ASGI's `path`."""
        return str(self.raw["path"])

    @property
    def path_params(self) -> Mapping[str, Any]:
        """The parameters of the path at which the hubs are mounted, such as `tenant` in `/{tenant}/hubs`."""
        found: Mapping[str, Any] = self.raw.get("path_params", {})
        return found

    @property
    def client(self) -> tuple[str, int] | None:
        """Address and port of the peer, as the ASGI server reports them. Behind a proxy, those of the proxy."""
        client = self.raw.get("client")
        return (client[0], client[1]) if client else None

    @cached_property
    def network(self) -> str:
        """The key of limits per address: the address, or for IPv6 its /64, because a household has a whole /64.

        Clients without an address share the key `"unknown"`.
        """
        return network_of(self.address)

    @cached_property
    def query(self) -> dict[str, str]:
        """The query string. If a key is repeated, the last value."""
        return dict(query_pairs(self.raw.get("query_string", b"")))

    @cached_property
    def headers(self) -> dict[str, str]:
        """Header values by lower-case name. Several values of one name are joined with a comma.

        Values of `cookie`, which HTTP/2 sends in pieces, are joined with a semicolon.
        """
        found: dict[str, str] = {}
        for raw_name, raw_value in self.raw.get("headers", ()):
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
            if name in found:
                value = f"{found[name]}{'; ' if name == 'cookie' else ', '}{value}"
            found[name] = value
        return found

    @cached_property
    def cookies(self) -> dict[str, str]:
        """The cookies by name, as Starlette reads them. If a name is repeated, the last value."""
        return cookie_parser(self.headers.get("cookie", ""))

    @property
    def wants_events(self) -> bool:
        """Whether exactly `text/event-stream` is accepted. With parameters, the original takes it for another type."""
        accepted = [value.lower() for name, value in self.raw.get("headers", ()) if name.lower() == b"accept"]
        with_it = [value for value in accepted if _EVENTS in value]
        return any(media_type.strip() == _EVENTS for value in with_it for media_type in value.split(b","))


def query_pairs(query: bytes) -> list[tuple[str, str]]:
    """The decoded keys and values of a query string, in order. A key without a value has an empty one."""
    text = query.decode("latin-1")
    if "%" in text or "+" in text:
        return parse_qsl(text, keep_blank_values=True)
    pairs = [pair.partition("=") for pair in text.split("&") if pair]  # the same result, if nothing must be decoded
    return [(key, value) for key, _, value in pairs]


@functools.lru_cache(maxsize=1_024)
def network_of(address: str | None) -> str:
    """See `ConnectionScope.network`. Text that is not an IP address is returned unchanged."""
    if address is None:
        return "unknown"
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return f"{ipaddress.IPv6Address(int(parsed) >> 64 << 64)}/64"


Feed: TypeAlias = Callable[[bytes], asyncio.Future[None] | None]
"""Takes bytes from the peer and returns at once. If it returns a future, it must not be called until that is done."""

Heartbeat: TypeAlias = Callable[[float], float | None]
"""Is called with the time, in seconds of the application's clock."""


class Refused(Exception):
    """Raised by what serves a connection: it cannot, and has logged the reason, which the transport need not do."""


class TransportConnection(Protocol):
    """One connection as a hub sees it: bytes in order, in both directions.

    A transport runs `serve(connection)` once. When that returns, the transport writes what is queued and closes the
    connection normally. When it raises, the connection is closed with an error (WebSocket code 1011).
    """

    @property
    def id(self) -> str:
        """The public id. It is not the secret connection token."""

    @property
    def scope(self) -> ConnectionScope:
        """The request that opened the connection. An authentication refresh replaces this object."""

    @property
    def transport(self) -> Transport:
        """The transport, which does not change."""

    @property
    def transfer_formats(self) -> frozenset[TransferFormat]:
        """The formats that the transport can carry. Server-Sent Events carry only text."""

    @property
    def has_inherent_keep_alive(self) -> bool:
        """Whether the transport itself shows that the peer is alive (long polling), so that pings are not needed."""

    @property
    def lost(self) -> bool:
        """Whether the connection has ended: nothing more can be read or written."""

    @property
    def timed_out(self) -> bool:
        """Whether it ended because no request came in time: no further poll, or no other WebSocket."""

    @property
    def expired(self) -> bool:
        """Whether the connection ends because its identity expired (`close_on_token_expiry`). No more can be read."""

    @property
    def unoffered(self) -> bool:
        """Whether more than 64 KiB are queued that will be offered to the peer at the next turn of the event loop.

        False if the peer has not taken what it was offered before, or if it must ask first, as in long polling.
        """

    def use(self, transfer_format: TransferFormat, *, maximum_message: int | None = None) -> None:
        """Set the format of what is written from now on; before, it is text. Called while the handshake is processed.

        `maximum_message` is the largest message in bytes that `write` accepts. The default is 16 MiB.
        """

    def on_heartbeat(self, callback: Heartbeat) -> None:
        """Call `callback(now)` about once a second until the connection ends.

        It may return the time before which it need not be called. `stir()` and the end of the connection cancel that.
        """

    def stir(self) -> None:
        """Call the heartbeat's callback at the next beat, whatever it has returned."""

    def on_refresh(self, callback: Callable[[], None]) -> None:
        """Call `callback()` after each authentication refresh, when `scope` already has the new identity."""

    @property
    def stateful_reconnect(self) -> bool:
        """Whether the client has asked for stateful reconnect, and the endpoint and the transport allow it."""

    @property
    def detached(self) -> bool:
        """Whether the connection has no request at the moment: it is between two polls, or two sockets."""

    def on_reconnected(self, callback: Callable[[], None], *, window: float) -> None:
        """Keep the connection when its socket is lost, if `stateful_reconnect`, until `end_input()` or `abort()`.

        The connection ends after `window` seconds without a socket. When a new socket has come, `callback()` is called
        before anything is read from it. What was queued is lost, so it must write what the peer may not have received.
        """

    async def receive(self) -> bytes:
        """The next bytes from the peer, never empty.

        Raises:
            ConnectionClosed: there are no more, because the peer left, `end_input()` was called, or the transport ended
                the connection (`SlowConsumerError`, `SendTimeout`). Never `CancelledError` for one of these.
        """

    def consume(self, feed: Feed) -> Coroutine[Any, Any, None]:
        """Call `feed` with everything the peer sends, in order, and if possible directly from the transport's parser.

        It replaces `receive()`. Raises what `receive()` raises, and what `feed` raises.
        """

    def end_input(self) -> None:
        """Stop reading: `receive()` and `consume()` raise `ConnectionClosed`, now and later. Writing continues."""

    def replace(self, packet: Packet) -> bool:
        """Like `write`, but the message replaces a queued one with the same key that `replace` has queued."""

    def write(self, packet: bytes) -> bool:
        """Queue a message. Never waits. With the policy `latest`, a `Packet` replaces a queued one with the same key.

        False if more than the high-water mark is queued: senders that can wait (a reply, a stream) should then
        `drain()`. If the queue is full its policy applies, which ends the connection by default. After the end of the
        connection, messages are dropped.

        Raises:
            SendTooLarge: the message is larger than allowed.
        """

    def write_now(self, packet: bytes) -> bool:
        """Like `write`, for a message that is likely to be the only one of this turn of the event loop.

        If nothing is queued before it, a transport may write it at once: it is not joined with what follows.
        """

    async def drain(self) -> None:
        """Wait until less than the low-water mark is queued, or the connection has ended. Cancelling it is safe."""

    def abort(self, error: Exception | None = None) -> None:
        """End the connection at once; what is queued may be lost."""
