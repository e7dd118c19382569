"""HTTP and WebSockets for clients, by aiohttp. The only module that imports it."""

import asyncio
import os
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler

from hubline.client.negotiation import Place
from hubline.client.requests import SPARE
from hubline.client.settings import WebSettings
from hubline.client.websocket import LOST, WebSocket, upgrade_headers
from hubline.errors import ConnectionClosed, NegotiationError
from hubline.websocket_frames import accept_header

XHR = {"X-Requested-With": "XMLHttpRequest"}
"""Makes servers with sign-in pages answer 401 instead of a redirection to one, as the official clients do (§1.1)."""

CONNECT = 15.0
"""Seconds to reach the server for one request, a proxy and TLS included."""

IDLE = 3.0
"""Seconds for which a connection is kept for the next request. Servers close idle ones, uvicorn after 5 s, and a
request that is sent in that moment would be lost."""

_FAILURES = (aiohttp.ClientError, OSError, ValueError)
"""What a request raises. A ValueError: an address or a header, perhaps of a redirection, cannot be sent."""

_LIMIT = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT)


class EventBody:
    """The body of an event stream. aiohttp stops reading from the socket when 64 KiB wait."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def read(self) -> bytes:
        try:
            return await self._response.content.readany()
        except (aiohttp.ClientError, OSError) as error:
            raise ConnectionClosed(LOST) from error

    def close(self) -> None:
        self._response.close()


class Web:
    """Opens connections. One for each hub connection, so that cookies of the negotiation come with all requests."""

    def __init__(self, settings: WebSettings) -> None:
        self._own = settings.http is None
        if settings.http is not None:
            self._http = settings.http
        else:
            path = settings.unix_socket
            connector = (
                aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE)
                if path is None
                else aiohttp.UnixConnector(path, limit=0, keepalive_timeout=IDLE)
            )
            self._http = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.CookieJar(unsafe=True))
        self._options: dict[str, Any] = {
            "ssl": True if settings.tls is None else settings.tls,
            "proxy": settings.proxy,
            "allow_redirects": False,
            "middlewares": (*self._http._middlewares, _once),
        }

    async def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes = b"",
        *,
        largest: int | None,
        seconds: float | None,
    ) -> tuple[int, bytes]:
        try:
            async with asyncio.timeout(seconds):
                async with self._http.request(
                    method, url, headers={**XHR, **headers}, data=body or None, timeout=_LIMIT, **self._options
                ) as response:
                    return response.status, await _body(response, largest)
        except _FAILURES as error:
            if type(error) is TimeoutError:  # of the limit, not of the network
                raise
            raise _unreachable(url, error) from error

    async def listen(self, url: str, headers: Mapping[str, str]) -> EventBody:
        try:
            response = await self._http.get(url, headers={**XHR, **headers}, timeout=_LIMIT, **self._options)
        except _FAILURES as error:
            raise _unreachable(url, error) from error
        if response.status == 200 and response.content_type == "text/event-stream":
            return EventBody(response)
        response.close()
        found = f"status {response.status}" if response.status != 200 else f"a body of {response.content_type}"
        raise NegotiationError(response.status, f"the server refused the event stream with {found}")

    async def connect(self, place: Place, *, binary: bool, maximum_message_size: int | None) -> WebSocket:
        """Open a WebSocket. aiohttp makes the request, and leaves the connection to us."""
        key = b64encode(os.urandom(16)).decode()
        headers = {**XHR, **place.headers, **upgrade_headers(key)}
        options = {"ssl": self._options["ssl"], "proxy": self._options["proxy"]}
        try:
            response = await self._http.get(place.url, headers=headers, timeout=_LIMIT, read_until_eof=False, **options)
        except _FAILURES as error:
            raise _unreachable(place.url, error) from error
        try:
            transport, protocol, rest = _upgraded(response, key)
        except BaseException:
            response.close()
            raise

        def over(error: Exception | None) -> None:
            response.close()
            protocol.connection_lost(error)  # or to close the session would wait for it

        largest = None if maximum_message_size is None else maximum_message_size + SPARE
        socket = WebSocket(transport, over, binary=binary, largest=largest)
        socket.data_received(rest)
        return socket

    async def close(self) -> None:
        if self._own:
            await self._http.close()


class _Rest:
    """Takes what has come behind the head of the response, as aiohttp's parsers do."""

    data = b""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.data += data
        return False, b""

    def feed_eof(self) -> None: ...


def _upgraded(response: aiohttp.ClientResponse, key: str) -> tuple[asyncio.Transport, ResponseHandler, bytes]:
    """The connection of a response that accepts a WebSocket, and the bytes that have come for it.

    Raises:
        NegotiationError: the response does not accept it.
        ConnectionClosed: the connection is lost already.
    """
    if response.status != 101:
        raise NegotiationError(response.status, f"the server refused the WebSocket with status {response.status}")
    given = [response.headers.get(name, "") for name in ("Upgrade", "Connection", "Sec-WebSocket-Accept")]
    if [given[0].lower(), given[1].lower(), given[2]] != ["websocket", "upgrade", accept_header(key.encode()).decode()]:
        raise NegotiationError(101, "the server answered the request for a WebSocket with another upgrade")
    connection = response.connection
    if connection is None or connection.protocol is None or connection.transport is None:
        raise ConnectionClosed(LOST)
    if connection.transport.is_closing():  # uvloop raises when such a one is told to pause
        raise ConnectionClosed(LOST)
    transport, protocol, rest = connection.transport, connection.protocol, _Rest()
    protocol.set_parser(rest, None)
    return transport, protocol, rest.data


async def _once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Send a request at most once. aiohttp sends a GET or DELETE again if its connection is lost.

    The answer to a poll may be lost with the connection; then the next poll must not hide that.
    """
    try:
        return await handler(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _unreachable(str(request.url), error) from error


async def _body(response: aiohttp.ClientResponse, largest: int | None) -> bytes:
    pieces: list[bytes] = []
    size = 0
    async for piece in response.content.iter_any():
        pieces.append(piece)
        size += len(piece)
        if largest is not None and size > largest:
            response.close()
            raise ConnectionClosed(f"the server sent a response of more than {largest} bytes")
    return b"".join(pieces)


def _unreachable(url: str, error: Exception) -> ConnectionClosed:
    """Says the address without the query, which may hold secrets, and nothing of aiohttp's that has it whole."""
    text = str(error)
    if isinstance(error, aiohttp.ClientResponseError):
        text = f"its response cannot be read: {error.message}"
    elif isinstance(error, aiohttp.InvalidURL):
        text = "it is no address"
    return ConnectionClosed(f"cannot reach {url.partition('?')[0]}: {text}")
