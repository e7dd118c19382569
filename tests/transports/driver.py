"""Drives real ASGI callables without sockets and without time: what a server would do, done by hand."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from hubline.connection import TransportConnection
from hubline.testing import ManualClock
from hubline.transports.endpoint import HubEndpoint
from hubline.transports.options import TransportOptions
from hubline.transports.registry import ConnectionRegistry
from hubline.wire.packet import Packet

Application = Callable[[TransportConnection], Awaitable[None]]


class Request:
    """One HTTP request to an ASGI callable."""

    def __init__(
        self,
        app: Callable[..., Awaitable[None]],
        method: str,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = b"",
        *,
        path: str = "/hub",
        address: str = "192.0.2.1",
        tells: bool = False,
    ) -> None:
        """With `body=None` the body is still to come: `part()`. A server that `tells` offers `hubline.disconnect`."""
        self._scope: dict[str, Any] = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in (headers or {}).items()],
            "client": (address, 4711),
        }
        if tells:
            self._scope["extensions"] = {"hubline.disconnect": {"watch": self._watch}}
        self._told: Callable[[], None] | None = None
        self._app = app
        self._incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.reads = asyncio.Event()
        """Cleared while the client does not read: `send` waits."""
        self.reads.set()
        self.gone = False
        self.sent: list[Any] = []
        if body is not None:
            self.part(body, more=False)
        self.task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        await self._app(self._scope, self._incoming.get, self._send)

    async def _send(self, message: Any) -> None:
        await self.reads.wait()
        if self.gone:
            raise OSError("client disconnected")
        self.sent.append(message)

    def part(self, body: bytes, *, more: bool = True) -> None:
        self._incoming.put_nowait({"type": "http.request", "body": body, "more_body": more})

    def vanish(self) -> None:
        """The client goes away; sending to it fails from now on."""
        self.gone = True
        self._incoming.put_nowait({"type": "http.disconnect"})
        if self._told is not None:
            self._told()

    def _watch(self, told: Callable[[], None]) -> bool:
        self._told = told
        return not self.gone

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.sent[0]["headers"]}

    @property
    def chunks(self) -> list[bytes]:
        return [message.get("body", b"") for message in self.sent[1:]]

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def complete(self) -> bool:
        return len(self.sent) > 1 and not self.sent[-1].get("more_body", False)

    async def answered(self) -> "Request":
        """Wait for the end of the request."""
        async with asyncio.timeout(30):
            await self.task
        return self


class Socket:
    """One WebSocket to an ASGI callable."""

    def __init__(
        self,
        app: Callable[..., Awaitable[None]],
        query: str = "",
        headers: Mapping[str, str] | None = None,
        *,
        can_deny: bool = True,
        address: str = "192.0.2.1",
    ) -> None:
        self._scope = {
            "type": "websocket",
            "path": "/hub",
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in (headers or {}).items()],
            "client": (address, 4711),
            "extensions": {"websocket.http.response": {}} if can_deny else {},
        }
        self._app = app
        self.incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.incoming.put_nowait({"type": "websocket.connect"})
        self.reads = asyncio.Event()
        self.reads.set()
        self.failure: Exception | None = None
        self.sent: list[Any] = []
        self.task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        await self._app(self._scope, self.incoming.get, self._send)

    async def _send(self, message: Any) -> None:
        await self.reads.wait()
        if self.failure is not None:
            raise self.failure
        self.sent.append(message)

    def say(self, data: str | bytes) -> None:
        self.incoming.put_nowait({"type": "websocket.receive", "text" if isinstance(data, str) else "bytes": data})

    def leave(self, code: int = 1005) -> None:
        self.incoming.put_nowait({"type": "websocket.disconnect", "code": code})

    @property
    def messages(self) -> list[str | bytes]:
        """What arrived after the upgrade."""
        return [each.get("text", each.get("bytes")) for each in self.sent if each["type"] == "websocket.send"]

    @property
    def close_code(self) -> int | None:
        return next((each["code"] for each in self.sent if each["type"] == "websocket.close"), None)

    async def ended(self) -> "Socket":
        async with asyncio.timeout(30):
            await self.task
        return self


async def echo(connection: TransportConnection) -> None:
    """Every chunk goes back as it came."""
    while True:
        connection.write(Packet(await connection.receive()))
        await connection.drain()


class Site:
    """An endpoint with its registry and a clock of its own."""

    tells = False
    """Whether the server tells by a call that the client of a poll has gone."""

    def __init__(self, serve: Application = echo, *, options: TransportOptions | None = None, **hooks: Any) -> None:
        self.clock = ManualClock()
        self.options = options or TransportOptions()
        self.registry = ConnectionRegistry(self.options, self.clock)
        self.endpoint = HubEndpoint(serve, registry=self.registry, options=self.options, **hooks)

    def negotiation(self, query: str = "negotiateVersion=1", method: str = "POST", **more: Any) -> Request:
        return Request(self.endpoint.negotiate, method, query, **more)

    async def token(self, **more: Any) -> str:
        """A token from negotiate."""
        return str(json.loads((await self.negotiation(**more).answered()).body)["connectionToken"])

    def get(self, token: str, **more: Any) -> Request:
        return Request(self.endpoint.connect, "GET", f"id={token}", tells=self.tells, **more)

    def events(self, token: str, **more: Any) -> Request:
        """A request for Server-Sent Events."""
        return Request(self.endpoint.connect, "GET", f"id={token}", {"accept": "text/event-stream"}, **more)

    def post(self, token: str, body: bytes | None, **more: Any) -> Request:
        return Request(self.endpoint.connect, "POST", f"id={token}", body=body, **more)

    def delete(self, token: str) -> Request:
        return Request(self.endpoint.connect, "DELETE", f"id={token}")

    def socket(self, query: str = "", **more: Any) -> Socket:
        return Socket(self.endpoint.connect, query, **more)

    async def polling(self) -> str:
        """The token of a connection whose first poll was answered."""
        token = await self.token()
        await self.get(token).answered()
        return token

    async def close(self) -> None:
        """End everything, and see that no task is left."""
        closing = asyncio.get_running_loop().create_task(self.registry.close())
        await self.clock.advance(6)
        async with asyncio.timeout(30):
            await closing
        assert len(self.registry.tasks) == 0
