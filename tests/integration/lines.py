"""Raw connections to a hub endpoint over each transport: bytes out, bytes in, and how it ended."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Protocol
from urllib.parse import urlencode

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

HEADERS_OF_EVENTS = {"accept": "text/event-stream"}


class Ended(Exception):
    """The server ended the connection; `code` is that of a WebSocket, 204 or 404 of a poll, none of an event stream."""

    def __init__(self, code: int | None = None) -> None:
        self.code = code
        super().__init__(code)


class Line(Protocol):
    async def send(self, data: bytes, *, binary: bool = False) -> None: ...

    async def receive(self) -> bytes:
        """What the server wrote in one piece. Raises `Ended`."""

    async def close(self) -> None:
        """Go away without a word."""


class Endpoint:
    """A hub's address, and the requests one can make of it."""

    def __init__(self, base: str, path: str = "/hub", query: str = "", token: str | None = None) -> None:
        self.base, self.path, self.query = base, path, query
        self.headers = {"authorization": f"Bearer {token}"} if token else {}
        self.http = client(base)

    def url(self, **query: str) -> str:
        text = "&".join(part for part in (self.query, urlencode(query)) if part)
        return f"{self.path}?{text}" if text else self.path

    async def negotiate(self, version: int | str | None = 1) -> dict[str, Any]:
        query = {} if version is None else {"negotiateVersion": str(version)}
        url = Endpoint.url(self, **query).replace(self.path, f"{self.path}/negotiate", 1)
        response = await self.http.post(url, headers=self.headers)
        response.raise_for_status()
        found: dict[str, Any] = response.json()
        return found

    async def request(self, method: str, id: str | None, content: bytes = b"", **headers: str) -> httpx.Response:
        url = self.url() if id is None else self.url(id=id)
        return await self.http.request(method, url, content=content, headers=self.headers | headers)

    def websocket(self, id: str | None = None, **headers: str) -> Any:
        url = self.base.replace("http", "ws", 1) + (self.url() if id is None else self.url(id=id))
        settings: dict[str, Any] = {"compression": None, "max_size": None, "ping_interval": None, "proxy": None}
        return connect(url, additional_headers=self.headers | headers, open_timeout=60, close_timeout=2, **settings)

    async def __aenter__(self) -> "Endpoint":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()


def client(base: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=base, timeout=60, trust_env=False, verify=False)


async def poll(endpoint: Endpoint, id: str) -> "asyncio.Future[httpx.Response]":
    """Begin a poll; returns when the request has been sent."""
    sent = asyncio.Event()

    async def trace(event: str, info: Any) -> None:
        if event == "http11.send_request_body.complete":
            sent.set()

    response = asyncio.ensure_future(endpoint.http.get(endpoint.url(id=id), extensions={"trace": trace}))
    await sent.wait()
    return response


class WebSocketLine:
    """One WebSocket. `frames` are the kinds of the frames that came: text or binary."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self.frames: list[str] = []

    @classmethod
    async def open(cls, endpoint: Endpoint, id: str | None) -> "WebSocketLine":
        return cls(await endpoint.websocket(id))

    async def send(self, data: bytes, *, binary: bool = False) -> None:
        await self._socket.send(data if binary else data.decode())

    async def receive(self) -> bytes:
        try:
            message = await self._socket.recv()
        except ConnectionClosed:
            raise Ended(self._socket.close_code) from None
        self.frames.append("text" if isinstance(message, str) else "binary")
        return message.encode() if isinstance(message, str) else message

    async def close(self) -> None:
        await self._socket.close()

    def vanish(self) -> None:
        """Break the TCP connection."""
        self._socket.transport.abort()


class EventsLine:
    """Server-Sent Events, with POSTs for the other direction. `headers` and `raw` are what came."""

    def __init__(self, endpoint: Endpoint, id: str) -> None:
        self._endpoint, self._id = endpoint, id
        self._closed = asyncio.Event()
        self._pieces: AsyncIterator[bytes]
        self._buffer = b""
        self.raw = b""

    @classmethod
    async def open(cls, endpoint: Endpoint, id: str) -> "EventsLine":
        line = cls(endpoint, id)
        request = endpoint.http.build_request("GET", endpoint.url(id=id), headers=endpoint.headers | HEADERS_OF_EVENTS)
        line.response = await endpoint.http.send(request, stream=True)
        assert line.response.status_code == 200, await line.response.aread()
        line._pieces = line.response.aiter_raw()
        line._buffer = line.raw = await anext(line._pieces)
        return line

    response: httpx.Response

    async def send(self, data: bytes, *, binary: bool = False) -> None:
        response = await self._endpoint.request("POST", self._id, data)
        if response.status_code == 404:
            raise Ended
        assert (response.status_code, response.content) == (200, b"")

    async def receive(self) -> bytes:
        while True:
            event, separator, rest = self._buffer.partition(b"\r\n\r\n")
            if separator:
                self._buffer = rest
                return b"\n".join(
                    part.removeprefix(b"data: ") for part in event.split(b"\r\n") if not part.startswith(b":")
                )
            try:
                piece = await anext(self._pieces)
            except StopAsyncIteration:
                raise Ended from None
            self._buffer += piece
            self.raw += piece

    async def close(self) -> None:
        await self.response.aclose()


class PollingLine:
    """Long polling: `receive` asks until a poll brings something."""

    def __init__(self, endpoint: Endpoint, id: str) -> None:
        self._endpoint, self._id, self._ended = endpoint, id, False

    @classmethod
    async def open(cls, endpoint: Endpoint, id: str) -> "PollingLine":
        line = cls(endpoint, id)
        assert await line._poll() == b""
        return line

    async def send(self, data: bytes, *, binary: bool = False) -> None:
        response = await self._endpoint.request("POST", self._id, data)
        if response.status_code == 404:
            raise Ended
        assert (response.status_code, response.content) == (200, b"")

    async def receive(self) -> bytes:
        while not (data := await self._poll()):
            pass
        return data

    async def close(self) -> None:
        if not self._ended:
            assert (await self._endpoint.request("DELETE", self._id)).status_code in (202, 404)

    async def _poll(self) -> bytes:
        response = await self._endpoint.request("GET", self._id)
        if response.status_code in (204, 404):
            self._ended = True
            raise Ended(response.status_code)
        assert response.status_code == 200, response.text
        return response.content
