"""A server of client tests: it answers as the test says, and its sockets are queues. There is no network."""

import asyncio
import json
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from hubline.client import HubConnection
from hubline.client.carrier import Asked
from hubline.client.negotiation import Place
from hubline.client.settings import WebSettings
from hubline.errors import ConnectionClosed
from hubline.testing import ManualClock, settle
from hubline.wire.json import JsonCodec
from hubline.wire.messages import Close, Completion, Invocation, Message, Ping, StreamItem

URL = "http://testserver/hub"
NEGOTIATED = {
    "negotiateVersion": 1,
    "connectionId": "id",
    "connectionToken": "secret",
    "availableTransports": [{"transport": "WebSockets", "transferFormats": ["Text", "Binary"]}],
}
CODEC = JsonCodec()
PING = {"type": 6}


class Peer(Asked):
    """The server's end of a WebSocket, and what the client does with it."""

    def __init__(self, place: Place, answers: bool) -> None:
        self.place, self.answers = place, answers
        self.written: list[dict[str, Any]] = []
        self.closed = False
        self.reads = 0
        self._queue: asyncio.Queue[bytes | ConnectionClosed] = asyncio.Queue()

    def say(self, *messages: Message) -> None:
        """Send messages, as one WebSocket message."""
        self._queue.put_nowait(b"".join(map(CODEC.encode, messages)))

    def item(self, id: str, *values: Any) -> None:
        """Send items of a stream, each as a WebSocket message."""
        for value in values:
            self.say(StreamItem(invocation_id=id, item=value))

    def answer(self, id: str, result: Any) -> None:
        self.say(Completion(invocation_id=id, result=result))

    def call(self, target: str, *arguments: Any, id: str = "") -> None:
        self.say(Invocation(invocation_id=id, target=target, arguments=list(arguments)))

    def hang_up(self, allow_reconnect: bool | None = None, error: str = "broken") -> None:
        """End the socket; with `allow_reconnect`, a `Close` comes first."""
        if allow_reconnect is not None:
            self.say(Close(error=error, allow_reconnect=allow_reconnect))
        self._queue.put_nowait(ConnectionClosed("the socket broke"))

    def heard(self, kind: int) -> list[dict[str, Any]]:
        """The messages of this type that the client has written."""
        return [message for message in self.written if message.get("type") == kind]

    async def receive(self) -> bytes:
        found = await self._queue.get()
        self.reads += 1
        if isinstance(found, ConnectionClosed):
            raise found
        return found

    async def write(self, data: bytes) -> None:
        if self.closed:
            raise ConnectionClosed("the socket is closed")
        for record in data.split(b"\x1e")[:-1]:
            self.written.append(json.loads(record))
        if self.answers and "protocol" in self.written[-1]:
            self._queue.put_nowait(b"{}\x1e")

    async def close(self) -> None:
        self.closed = True
        self.hang_up()


class Script:
    """What the server does. `posts` and `upgrades` are used up; then it accepts everything."""

    def __init__(self) -> None:
        self.posts: deque[tuple[int, Any] | ConnectionClosed] = deque()
        self.upgrades: deque[ConnectionClosed] = deque()
        self.answers = True
        """Whether handshakes are answered."""
        self.asked: list[tuple[str, Mapping[str, str]]] = []
        self.peers: list[Peer] = []
        self.polls: deque[tuple[int, bytes]] = deque()
        """Answers to polls; then a poll waits."""
        self.said: list[bytes] = []
        """The bodies of POSTs that are no negotiations."""
        self.swallows_upgrades = False
        self.closed = 0

    @property
    def peer(self) -> Peer:
        """The newest socket."""
        return self.peers[-1]

    async def request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"", **limits: object
    ) -> tuple[int, bytes]:
        if not url.partition("?")[0].endswith("/negotiate"):
            return await self._poll(method, url, headers, body)
        self.asked.append((url, headers))
        found = self.posts.popleft() if self.posts else (200, NEGOTIATED)
        if isinstance(found, ConnectionClosed):
            raise found
        return found[0], json.dumps(found[1]).encode()

    async def _poll(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        if method != "GET":
            self.said += [body] if body else []
            return 200, b""
        self.asked.append((url, headers))
        if not self.polls:
            await asyncio.Event().wait()
        return self.polls.popleft()

    async def connect(self, place: Place, *, binary: bool, maximum_message_size: int | None) -> Peer:
        if self.swallows_upgrades:
            await asyncio.Event().wait()
        if self.upgrades:
            raise self.upgrades.popleft()
        self.peers.append(Peer(place, self.answers))
        return self.peer

    async def close(self) -> None:
        self.closed += 1


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    found = Script()
    make: Callable[[WebSettings], Script] = lambda settings: found  # noqa: E731
    monkeypatch.setattr("hubline.client.web.Web", make)
    return found


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


async def started(clock: ManualClock, **settings: Any) -> HubConnection:
    """A connection that is connected. The test stops it."""
    hub = HubConnection(URL, clock=clock, **settings)
    await hub.start()
    await settle()
    return hub


__all__ = ["NEGOTIATED", "PING", "URL", "Peer", "Ping", "Script", "clock", "script", "started"]
