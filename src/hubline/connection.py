"""The meeting point of transports and hubs: the connection both agree on, and what is known of who is at its end."""

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
    """A way to carry a connection; the values are those of the negotiate response, the order is the one offered."""

    WEB_SOCKETS = "WebSockets"
    """One socket for both directions; text and binary."""
    SERVER_SENT_EVENTS = "ServerSentEvents"
    """One long response to the client, and a POST for what it sends; text only."""
    LONG_POLLING = "LongPolling"
    """A GET for each batch of messages, and a POST for what the client sends; text and binary."""

    @property
    def transfer_formats(self) -> frozenset[TransferFormat]:
        """What it can carry."""
        return _TEXT if self is Transport.SERVER_SENT_EVENTS else _ALL


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is at the other end."""

    user_id: str | None
    """What `clients.user(…)` finds the connection by, unless `HubApp(user_id=…)` says otherwise; `None` for no user."""
    claims: Mapping[str, Any] = field(default_factory=dict)
    """Whatever is known of the user, by name: for a bearer token, its claims."""
    expires_at: float | None = None
    """Seconds since the epoch; `None` never expires."""
    roles: frozenset[str] = frozenset()
    """What `@authorize(roles=…)` looks at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthenticationRefresh:
    """Another identity for a live connection, before it counts: what `on_authentication_refresh` decides about."""

    connection_id: str
    """The public id of the connection."""
    old: Identity | None
    """Who it was so far; `None` for a stranger."""
    new: Identity
    """Who it will be, if the answer is yes."""
    scope: "ConnectionScope"
    """The request that brings `new`: `POST {hub}/refresh`, or a poll."""


class ConnectionScope:
    """Everything a hub may know about the HTTP request that opened its connection. Immutable but for who it is."""

    def __init__(
        self, scope: Mapping[str, Any], identity: Identity | None = None, *, address: str | None = None
    ) -> None:
        self.raw = scope
        """The ASGI scope of the request that opened the connection (for long polling: of the first poll)."""
        self.identity = identity
        """Who sent the request; `None` for a stranger."""
        self.user_id = identity.user_id if identity is not None else None
        """What `clients.user(…)` goes by: the identity's, or what `HubApp(user_id=…)` says."""
        self.transport: Transport | None = None
        """What carries the connection that this request opened; `None` before, as in `authenticate`."""
        self.address = address or (self.client[0] if self.client else None) or None
        """The client's address, as far as it can be trusted: `HubApp(trusted_proxies=…)` says whose word counts.

        `None` when nothing is known, as behind a Unix socket that is no trusted proxy.
        """

    def renewed(self, identity: Identity | None, user_id: str | None) -> "ConnectionScope":
        """The same request with somebody else behind it; this one stays as it is, for whoever has begun with it."""
        scope = copy.copy(self)
        scope.identity, scope.user_id = identity, user_id
        return scope

    @property
    def path(self) -> str:
        """The path of the request, with that of the mount: ASGI's `path`."""
        return str(self.raw["path"])

    @property
    def path_params(self) -> Mapping[str, Any]:
        """The parameters of the path that a framework has mounted the hubs at, as `tenant` of `/{tenant}/hubs`."""
        found: Mapping[str, Any] = self.raw.get("path_params", {})
        return found

    @property
    def client(self) -> tuple[str, int] | None:
        """Address and port of the peer, as the ASGI server reports them: behind a proxy, the proxy's."""
        client = self.raw.get("client")
        return (client[0], client[1]) if client else None

    @cached_property
    def network(self) -> str:
        """What limits per address count by: the address, of IPv6 its /64, because one household has all of that.

        Clients without an address share one: `"unknown"`.
        """
        return network_of(self.address)

    @cached_property
    def query(self) -> dict[str, str]:
        """The query string; of a key that comes twice, the last value."""
        return dict(query_pairs(self.raw.get("query_string", b"")))

    @cached_property
    def headers(self) -> dict[str, str]:
        """Header values by lower-case name; several values of one name are joined with a comma.

        But those of `cookie`, which HTTP/2 sends in pieces, with a semicolon.
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
        """The cookies by name, as Starlette reads them; of a name that comes twice, the last value."""
        return cookie_parser(self.headers.get("cookie", ""))

    @property
    def wants_events(self) -> bool:
        """Whether exactly `text/event-stream` is accepted; with parameters it is another media type to the original."""
        accepted = [value.lower() for name, value in self.raw.get("headers", ()) if name.lower() == b"accept"]
        with_it = [value for value in accepted if _EVENTS in value]
        return any(media_type.strip() == _EVENTS for value in with_it for media_type in value.split(b","))


def query_pairs(query: bytes) -> list[tuple[str, str]]:
    """The keys and values of a query string, decoded, in order; a key without a value has an empty one."""
    text = query.decode("latin-1")
    if "%" in text or "+" in text:
        return parse_qsl(text, keep_blank_values=True)
    pairs = [pair.partition("=") for pair in text.split("&") if pair]  # the same, where nothing is to be decoded
    return [(key, value) for key, _, value in pairs]


@functools.lru_cache(maxsize=1_024)
def network_of(address: str | None) -> str:
    """See `ConnectionScope.network`. What is no IP address stands for itself."""
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
"""Takes bytes from the peer and returns at once; a future that it returns asks for no more until that is done."""

Heartbeat: TypeAlias = Callable[[float], float | None]
"""Takes the time, in seconds of the application's clock."""


class TransportConnection(Protocol):
    """One connection as a hub sees it: bytes in order, in both directions.

    A transport runs `serve(connection)` once. When that returns, the transport writes what is still queued and ends
    the connection in good order; when it raises, the end tells the peer of an error (WebSocket code 1011).
    """

    @property
    def id(self) -> str:
        """The public id. The secret that addresses the connection over HTTP is never shown here."""

    @property
    def scope(self) -> ConnectionScope:
        """The request that opened the connection. An authentication refresh puts another object in its place."""

    @property
    def transport(self) -> Transport:
        """What carries the connection, from its first byte to its last."""

    @property
    def transfer_formats(self) -> frozenset[TransferFormat]:
        """What the transport can carry; Server-Sent Events carry text only."""

    @property
    def has_inherent_keep_alive(self) -> bool:
        """Whether the transport shows by itself that the peer lives (long polling), so that pings are superfluous."""

    @property
    def lost(self) -> bool:
        """Whether the connection has ended: nothing more can be read or written."""

    @property
    def timed_out(self) -> bool:
        """Whether it ended because no request came in time to carry it: no further poll, or no other WebSocket."""

    @property
    def expired(self) -> bool:
        """Whether the identity expired where that ends connections (`close_on_token_expiry`): no more can be read."""

    @property
    def unoffered(self) -> bool:
        """Whether more than 64 KiB are queued, and offered to the peer as soon as others have a turn of the loop.

        Not so of a peer that has not taken what it was offered before, or that has to ask first, as in long polling.
        """

    def use(self, transfer_format: TransferFormat, *, maximum_message: int | None = None) -> None:
        """Fix what is written from now on; before it is called, text. Called while the handshake is processed.

        `maximum_message` is the largest message in bytes that `write` takes; it stays 16 MiB when nothing is said.
        """

    def on_heartbeat(self, callback: Heartbeat) -> None:
        """Have `callback(now)` called about once a second while the connection lives.

        It may return the time before which it need not be called; `stir()` withdraws that, as does the end.
        """

    def stir(self) -> None:
        """Have the heartbeat's callback called at the next beat, whatever it has returned."""

    def on_refresh(self, callback: Callable[[], None]) -> None:
        """Have `callback()` called after each authentication refresh, when `scope` has the new identity already."""

    @property
    def stateful_reconnect(self) -> bool:
        """Whether the client has asked for stateful reconnect, and the endpoint and the transport allow it."""

    @property
    def detached(self) -> bool:
        """Whether no request carries the connection at the moment: between two polls, or two sockets."""

    def on_reconnected(self, callback: Callable[[], None], *, window: float) -> None:
        """Outlive the loss of the socket, if `stateful_reconnect`, until `end_input()` or `abort()`.

        The connection ends when `window` seconds have passed without one. When another has come, `callback()` is called
        before anything is read from it: it writes what the peer may not have got, because what was queued is lost.
        """

    async def receive(self) -> bytes:
        """The next bytes from the peer, never empty.

        Raises:
            ConnectionClosed: there will be no more, because the peer left, `end_input()` was called, or the transport
                gave up on it (`SlowConsumerError`, `SendTimeout`). Never `CancelledError` for one of these.
        """

    def consume(self, feed: Feed) -> Coroutine[Any, Any, None]:
        """Call `feed` with everything the peer sends, in order: where it can be, straight from the transport's parser.

        Instead of `receive()` from then on. Raises what that raises, and what `feed` does.
        """

    def end_input(self) -> None:
        """Stop reading: `receive()` and `consume()` raise `ConnectionClosed`, now and later. Writing goes on."""

    def replace(self, packet: Packet) -> bool:
        """Queue a message in the place of one with the same key that was queued so and still waits; as `write`."""

    def write(self, packet: bytes) -> bool:
        """Queue a message, or where the policy is `latest` a `Packet` that may replace one; never waits.

        False when more than the high-water mark is queued: whoever can wait (a reply, a stream) should then `drain()`.
        A queue that is full applies its policy, whose default ends the connection. Dropped when the connection ended.

        Raises:
            SendTooLarge: it is larger than a message may be.
        """

    async def drain(self) -> None:
        """Wait until less than the low-water mark is queued, or the connection ended. Cancelling it loses nothing."""

    def abort(self, error: Exception | None = None) -> None:
        """End the connection at once; what is queued may be lost."""
