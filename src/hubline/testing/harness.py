"""Connects to a hub in memory: negotiate, transport and handshake, as official clients do."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Literal, TypeAlias

from hubline._tasks import TaskOwner
from hubline.testing.asgi import TIME_LIMIT, ASGIApp, Origin, RefusedError, pairs_of
from hubline.testing.channels import CHANNELS, Channel, TransportName
from hubline.testing.client import InMemoryClient
from hubline.testing.peer import RawClient, within
from hubline.wire.codec import Codec
from hubline.wire.json import JsonCodec
from hubline.wire.msgpack import MessagePackCodec
from hubline.wire.negotiate import NegotiateResponse

ProtocolName: TypeAlias = Literal["json", "messagepack"]
Pairs: TypeAlias = str | Mapping[str, str] | Iterable[tuple[str, str]]

MAXIMUM_REDIRECTS = 100
"""As the official clients (spec §1.5)."""


@asynccontextmanager
async def connect(
    app: ASGIApp,
    path: str,
    *,
    transport: TransportName = "websocket",
    protocol: ProtocolName = "json",
    query: Pairs = (),
    headers: Pairs = (),
    negotiate: bool = True,
    root_path: str = "",
    address: str = "testclient",
    time_limit: float = TIME_LIMIT,
) -> AsyncIterator[InMemoryClient]:
    """Connect a hub client to the real application, in memory, while the block runs.

    `path` is the full path, as in a browser's address, without `root_path`, which is the prefix that a proxy removes.
    `query` and `headers` are sent with every request, and `address` is the address of the client. The application's
    lifespan is not run: use `running` for that. Every wait of the client fails after `time_limit` seconds of real time,
    so a test cannot hang.

    Raises:
        RefusedError: negotiation or the transport was answered with an error.
        HandshakeError: the hub refused the handshake.
    """
    codec: Codec = JsonCodec() if protocol == "json" else MessagePackCodec()
    sessions = TaskOwner("hubline.testing")
    origin = Origin(app, path, sessions, root_path, pairs_of(query), pairs_of(headers), address)
    try:
        channel, connection_id = await _open(origin, transport, negotiate, time_limit)
        client = InMemoryClient(channel, sessions, time_limit, connection_id, codec)
        try:
            await client.start()
            yield client
        finally:
            await client.end()
    finally:
        await sessions.cancel()


@asynccontextmanager
async def connect_raw(
    app: ASGIApp,
    path: str,
    *,
    transport: TransportName = "websocket",
    query: Pairs = (),
    headers: Pairs = (),
    negotiate: bool = True,
    root_path: str = "",
    address: str = "testclient",
    time_limit: float = TIME_LIMIT,
) -> AsyncIterator[RawClient]:
    """Connect like `connect`, without the hub protocol: no handshake and no messages, only bytes."""
    sessions = TaskOwner("hubline.testing")
    origin = Origin(app, path, sessions, root_path, pairs_of(query), pairs_of(headers), address)
    try:
        channel, connection_id = await _open(origin, transport, negotiate, time_limit)
        client = RawClient(channel, sessions, time_limit, connection_id)
        try:
            yield client
        finally:
            await client.stop()
    finally:
        await sessions.cancel()


async def _open(
    origin: Origin, transport: TransportName, negotiate: bool, time_limit: float
) -> tuple[Channel, str | None]:
    """Connect the transport. Returns it with the connection's public id."""
    if transport not in CHANNELS:
        raise ValueError(f"transport is one of {', '.join(map(repr, CHANNELS))}, not {transport!r}")
    kind = CHANNELS[transport]
    token: str | None = None
    connection_id: str | None = None
    if negotiate:
        origin, answer = await within(_negotiate(origin), time_limit, "negotiation was not answered")
        if kind.name not in [offer.transport for offer in answer.available_transports or ()]:
            raise RefusedError(404, f"the application does not offer {kind.name}")
        connection_id = answer.connection_id or None
        token = answer.connection_token or connection_id
    elif transport != "websocket":
        raise ValueError("only WebSockets can do without negotiation")
    channel = kind(origin, token)
    await within(channel.open(), time_limit, f"{kind.name} did not open")
    return channel, connection_id


async def _negotiate(origin: Origin) -> tuple[Origin, NegotiateResponse]:
    """Send the negotiate request, and follow redirects within the application."""
    for _ in range(MAXIMUM_REDIRECTS):
        response = await origin.request("POST", path="/negotiate", query={"negotiateVersion": "1"})
        if response.status != 200:
            raise RefusedError(response.status, response.body.decode())
        answer = NegotiateResponse.parse(response.body)
        if answer.error:
            raise RefusedError(response.status, answer.error)
        if not answer.url:
            return origin, answer
        origin = _redirected(origin, answer.url, answer.access_token or "")
    raise RefusedError(200, "Negotiate redirection limit exceeded.")


def _redirected(origin: Origin, url: str, access_token: str) -> Origin:
    """The target of a redirect in a negotiate response, with its token. The host is ignored: there is only one app."""
    rest = url.partition("://")[2] or url
    path, _, query = f"/{rest.partition('/')[2]}".partition("?")
    headers = (*origin.headers, ("authorization", f"Bearer {access_token}")) if access_token else origin.headers
    return replace(origin, path=path, query=(*origin.query, *pairs_of(query)), headers=headers)
