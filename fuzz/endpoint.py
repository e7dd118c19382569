"""One request or upgrade through a whole application in memory: answered, with no 5xx, and no connection stays.

The bytes are lines: method, path, query, then `name: value` headers, then an empty line and the body, which is cut up
at each 0x1f. `{id}` in the query is the token of a connection that waits, `{open}` that of one which is carried.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, MutableMapping, Sequence
from typing import Any, TypeAlias

from hubline import Hub, HubApp, HubOptions, TransportOptions
from hubline.testing import ManualClock, settle

Event: TypeAlias = MutableMapping[str, Any]

HANDSHAKE = b'{"protocol":"json","version":1}\x1e'
SEEDS = [
    b"POST\n/hub/negotiate\nnegotiateVersion=1\n\n",
    b"GET\n/hub\nid={id}\naccept: text/event-stream\n\n",
    b"GET\n/hub\nid={id}\n\n",
    b"GET\n/hub\nid={open}\norigin: http://x\n\n",
    b"POST\n/hub\nid={open}\n\n" + HANDSHAKE + b'\x1f{"type":1,"invocationId":"1","target":"Echo","arguments":[1]}\x1e',
    b"DELETE\n/hub\nid={open}\n\n",
    b"PUT\n/hub\nID=%ff&id=&id\nx-forwarded-for: 1.2.3.4\nauthorization: Bearer x\n\n",
    b"WEBSOCKET\n/hub\n\n\n" + HANDSHAKE + b'\x1f{"type":1,"target":"Echo","arguments":[[]]}\x1e\x1f{"type":7}\x1e',
    b"WEBSOCKET\n/hub\nid={id}&access_token=x\nhost: a:1\norigin: https://b\n\n",
    b"OPTIONS\n/hub/negotiate\n\norigin: http://x\naccess-control-request-method: POST\n\n",
    b"POST\n/hub/refresh\nid={open}\n\n",
    b"GET\n/readyz\n\n\n",
]


class Echo(Hub):
    async def echo(self, value: Any) -> Any:
        return value

    async def count(self, n: int) -> AsyncIterator[int]:
        for number in range(min(n, 10)):
            yield number

    async def total(self, numbers: AsyncIterator[int]) -> int:
        return sum([number async for number in numbers])


class Request:
    """What was made of the bytes, and what an ASGI server would do with it."""

    def __init__(self, data: bytes, tokens: dict[bytes, bytes]) -> None:
        head, _, body = data.partition(b"\n\n")
        method, path, query, *headers = [*head.split(b"\n"), b"", b"", b""][: max(3, head.count(b"\n") + 1)]
        for name, token in tokens.items():
            query = query.replace(name, token)
        self.websocket = method == b"WEBSOCKET"
        self.scope: Event = {
            "type": "websocket" if self.websocket else "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": "http",
            "path": path.decode("utf-8", "replace"),
            "raw_path": path,
            "root_path": "",
            "query_string": query,
            "headers": [
                (name.strip().lower(), value.strip()) for name, _, value in (h.partition(b":") for h in headers)
            ],
            "client": ("192.0.2.1", 1),
            "server": ("testserver", 80),
        }
        if self.websocket:
            self.scope |= {"subprotocols": [], "extensions": {"websocket.http.response": {}}}
        else:
            self.scope["method"] = method.decode("latin-1").upper()
        self.sent: list[Event] = []
        self.gone = asyncio.Event()
        """Set when the client leaves, which it does when nothing more happens."""
        self._events = self._incoming(body.split(b"\x1f"))

    def _incoming(self, pieces: Sequence[bytes]) -> list[Event]:
        if self.websocket:
            return [{"type": "websocket.connect"}, *[{"type": "websocket.receive", "bytes": piece} for piece in pieces]]
        bodies: list[Event] = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
        bodies[-1]["more_body"] = False
        return bodies

    async def __call__(self, app: HubApp) -> None:
        """Run it, and leave once nothing more happens."""
        running = asyncio.ensure_future(app(self.scope, self.receive, self.send))
        await settle()
        self.gone.set()
        await running

    async def receive(self) -> Event:
        if self._events:
            return self._events.pop(0)
        await self.gone.wait()
        return {"type": "websocket.disconnect", "code": 1005} if self.websocket else {"type": "http.disconnect"}

    async def send(self, event: Event) -> None:
        if not self.gone.is_set():
            self.sent.append(event)
        elif self.websocket:
            raise OSError("the client has left")

    @property
    def status(self) -> int | None:
        return next((event["status"] for event in self.sent if event["type"].endswith("response.start")), None)


class World:
    """An application for one run, with times that are soon over."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.app = HubApp(
            {"/hub": Echo},
            options=HubOptions(handshake_timeout=1, client_timeout=2),
            transport=TransportOptions(disconnect_timeout=1, poll_timeout=1, send_timeout=1, close_timeout=1),
            clock=self.clock,
            blocking_warning=None,
        )

    async def run(self, data: bytes) -> None:
        makers = {b"{id}": self._negotiated, b"{open}": self._opened}
        request = Request(data, {name: await make() for name, make in makers.items() if name in data})
        async with asyncio.timeout(10):
            await request(self.app)
            polls = request.scope.get("method") == "GET"
            assert request.sent or polls, "nothing was answered"
            assert request.status is None or request.status < 500, request.sent
            await self.clock.advance(4)
        (hub,) = self.app.statistics()["hubs"].values()
        transports = self.app.statistics()["transports"]
        assert (hub["connections"], transports.connections, transports.waiting) == (0, 0, 0), self.app.statistics()

    async def _negotiated(self) -> bytes:
        answer = await self._asked(b"POST\n/hub/negotiate\nnegotiateVersion=1\n\n", {})
        return answer.partition(b'"connectionToken":"')[2].partition(b'"')[0]

    async def _opened(self) -> bytes:
        token = await self._negotiated()
        await self._asked(b"GET\n/hub\nid={id}\n\n", {b"{id}": token})
        return token

    async def _asked(self, data: bytes, tokens: dict[bytes, bytes]) -> bytes:
        request = Request(data, tokens)
        await request(self.app)
        return b"".join([event.get("body", b"") for event in request.sent])


class Errors(logging.Handler):
    """What nobody who sends a request may cause: an error in the log."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(self.format(record))


def check(data: bytes) -> None:
    logger, errors = logging.getLogger("hubline"), Errors()
    level = logger.level
    logger.addHandler(errors)
    logger.setLevel(logging.ERROR)
    try:
        asyncio.run(World().run(data))
    finally:
        logger.removeHandler(errors)
        logger.setLevel(level)
    assert errors.found == []
