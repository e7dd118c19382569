"""Connecting to a hub in memory: negotiate, transport and handshake, as an official client does them."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Literal, TypeAlias

import msgspec

from hubline._tasks import TaskOwner
from hubline.testing.asgi import ASGIApp, Origin, RefusedError, pairs_of
from hubline.testing.channels import CHANNELS, Channel, TransportName
from hubline.testing.client import InMemoryClient
from hubline.testing.peer import RawClient
from hubline.wire.codec import Codec
from hubline.wire.json import JsonCodec
from hubline.wire.msgpack import MessagePackCodec

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
    time_limit: float = 5.0,
) -> AsyncIterator[InMemoryClient]:
    """A hub client that is connected while the block runs, through the real application but without sockets.

    `path` is the whole path, as in a browser's address, without `root_path`: that is what a proxy in front has cut
    off. `query` and `headers` go along with every request. The application's lifespan is not run: use `running`.
    Every wait of the client fails after `time_limit` seconds of real time, so a test cannot hang.

    Raises:
        RefusedError: negotiation or the transport was answered with an error.
        HandshakeError: the hub refused the handshake.
    """
    codec: Codec = JsonCodec() if protocol == "json" else MessagePackCodec()
    sessions = TaskOwner("hubline.testing")
    origin = Origin(app, path, sessions, root_path, pairs_of(query), pairs_of(headers))
    try:
        channel, connection_id = await _open(origin, transport, negotiate)
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
    time_limit: float = 5.0,
) -> AsyncIterator[RawClient]:
    """The same without hub protocol: no handshake, no messages, only bytes."""
    sessions = TaskOwner("hubline.testing")
    origin = Origin(app, path, sessions, root_path, pairs_of(query), pairs_of(headers))
    try:
        channel, connection_id = await _open(origin, transport, negotiate)
        client = RawClient(channel, sessions, time_limit, connection_id)
        try:
            yield client
        finally:
            await client.stop()
    finally:
        await sessions.cancel()


async def _open(origin: Origin, transport: TransportName, negotiate: bool) -> tuple[Channel, str | None]:
    """The transport, connected, and the connection's public id."""
    kind = CHANNELS[transport]
    if not negotiate:
        if transport != "websocket":
            raise ValueError("only WebSockets can do without negotiation")
        channel, connection_id = kind(origin, None), None
    else:
        origin, answer = await _negotiate(origin)
        if kind.name not in [offer.transport for offer in answer.available_transports]:
            raise RefusedError(404, f"the application does not offer {kind.name}")
        channel, connection_id = kind(origin, answer.connection_token or answer.connection_id), answer.connection_id
    await channel.open()
    return channel, connection_id


class _Offer(msgspec.Struct, rename="camel"):
    transport: str


class _Answer(msgspec.Struct, rename="camel"):
    connection_id: str = ""
    connection_token: str = ""
    available_transports: list[_Offer] = []
    error: str = ""
    url: str = ""
    access_token: str = ""


async def _negotiate(origin: Origin) -> tuple[Origin, _Answer]:
    """Ask for a connection, following redirects within the application."""
    for _ in range(MAXIMUM_REDIRECTS):
        response = await origin.request("POST", path="/negotiate", query={"negotiateVersion": "1"})
        if response.status != 200:
            raise RefusedError(response.status, response.body.decode())
        answer = msgspec.json.decode(response.body, type=_Answer)
        if answer.error:
            raise RefusedError(response.status, answer.error)
        if not answer.url:
            return origin, answer
        origin = _redirected(origin, answer)
    raise RefusedError(200, "Negotiate redirection limit exceeded.")


def _redirected(origin: Origin, answer: _Answer) -> Origin:
    """The place that a negotiate answer points to, with its token. The host is not looked at: there is one app."""
    rest = answer.url.partition("://")[2] or answer.url
    path, _, query = f"/{rest.partition('/')[2]}".partition("?")
    headers = origin.headers
    if answer.access_token:
        headers = (*headers, ("authorization", f"Bearer {answer.access_token}"))
    return replace(origin, path=path, query=(*origin.query, *pairs_of(query)), headers=headers)
