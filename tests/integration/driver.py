"""A client of hubs for tests that need every byte: one class, whatever the transport and the codec."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest

from tests.integration.lines import Ended, Endpoint, EventsLine, Line, PollingLine, WebSocketLine
from tests.integration.wire_form import RS, Message, decode, encode
from tests.interop.running import ELSEWHERE

WEB_SOCKETS, EVENTS, POLLING = "WebSockets", "ServerSentEvents", "LongPolling"


PATIENCE = 60.0
"""Seconds after which a message will not come any more: a safety net, nothing waits for it to pass."""


@dataclass(frozen=True)
class Way:
    """A transport and a codec."""

    transport: str
    codec: str

    def __str__(self) -> str:
        return f"{self.transport}-{self.codec}"

    @property
    def binary(self) -> bool:
        return self.codec == "messagepack"


WAYS = [
    Way(transport, codec)
    for transport in (WEB_SOCKETS, EVENTS, POLLING)
    for codec in ("json", "messagepack")
    if (transport, codec) != (EVENTS, "messagepack")
]
"""Every pair that can work: Server-Sent Events carry text only."""


class Peer:
    """One connection to a hub. `id` is its public id, `token` the secret one; negotiated unless told otherwise."""

    def __init__(self, way: Way, endpoint: Endpoint, line: Line, id: str, token: str) -> None:
        self.way, self.endpoint, self.line, self.id, self.token = way, endpoint, line, id, token
        self._inbox: list[Message] = []
        self._ids = count(1)

    async def send(self, *messages: Message) -> None:
        """All of them in one payload."""
        await self.write(b"".join(encode(self.way.codec, message) for message in messages))

    async def write(self, data: bytes) -> None:
        await self.line.send(data, binary=self.way.binary)

    async def shake_hands(self) -> None:
        await self.line.send(b'{"protocol":"%s","version":1}' % self.way.codec.encode() + RS, binary=self.way.binary)
        data = await self.line.receive()
        assert data.startswith(b"{}" + RS), data
        self._take(data[3:])

    async def receive(self) -> Message:
        """The next message. Raises `Ended` when there are no more."""
        async with asyncio.timeout(PATIENCE):
            while not self._inbox:
                self._take(await self.line.receive())
        return self._inbox.pop(0)

    async def receive_many(self, number: int) -> list[Message]:
        return [await self.receive() for _ in range(number)]

    async def call(self, target: str, *arguments: Any) -> Message:
        """Invoke and return the completion, which must be the next message, without its type and id."""
        id_ = f"c{next(self._ids)}"
        await self.send(call(id_, target, *arguments))
        answer = await self.receive()
        assert (answer.pop("type"), answer.pop("invocationId")) == (3, id_), answer
        return answer

    async def result(self, target: str, *arguments: Any) -> Any:
        answer = await self.call(target, *arguments)
        assert "error" not in answer, answer
        return answer["result"]

    async def rest(self) -> list[Message]:
        """Every message until the server ends the connection."""
        found = []
        try:
            while True:
                found.append(await self.receive())
        except Ended:
            return found

    async def admitted(self) -> None:
        """Return when the server has admitted the peer: whatever the hub, it answers a call then. The rest is kept."""
        await self.send(call("admitted?", "a method that no hub has"))
        before: list[Message] = []
        while (message := await self.receive()).get("invocationId") != "admitted?":
            before.append(message)
        self._inbox = before + self._inbox

    async def is_alive(self) -> bool:
        """Whether the connection answers, and with nothing before the answer."""
        return bool(await self.result("Add", 20, 22) == 42)

    def _take(self, data: bytes) -> None:
        self._inbox += decode(self.way.codec, data)


class Connector:
    """Opens peers against one server, and closes them all at the end."""

    def __init__(self, base: str, way: Way, closing: AsyncExitStack) -> None:
        self.base, self.way, self._closing = base, way, closing

    async def __call__(
        self,
        path: str = "/hub",
        *,
        query: str = "",
        token: str | None = None,
        way: Way | None = None,
        shake: bool = True,
    ) -> Peer:
        """An open connection, its handshake done unless `shake` is false."""
        way = way or self.way
        endpoint = await self._closing.enter_async_context(Endpoint(self.base, path, query, token))
        ids = await endpoint.negotiate()
        opening: dict[str, Callable[[Endpoint, str], Any]] = {
            WEB_SOCKETS: WebSocketLine.open,
            EVENTS: EventsLine.open,
            POLLING: PollingLine.open,
        }
        line = await opening[way.transport](endpoint, ids["connectionToken"])
        self._closing.push_async_callback(line.close)
        peer = Peer(way, endpoint, line, ids["connectionId"], ids["connectionToken"])
        if shake:
            await peer.shake_hands()
        return peer

    async def several(self, number: int, path: str = "/hub") -> list[Peer]:
        """Peers that can reach each other: a handshake is answered before the server has admitted the peer."""
        peers = [await self(path) for _ in range(number)]
        for peer in peers:
            await peer.admitted()
        return peers

    async def token(self, query: str = "") -> str:
        async with Endpoint(self.base, "/token", query) as endpoint:
            return (await endpoint.http.get(endpoint.url())).text


@asynccontextmanager
async def connector(base: str, way: Way) -> AsyncIterator[Connector]:
    """A connector; what it opened is closed at the end."""
    async with AsyncExitStack() as closing:
        yield Connector(base, way, closing)


def ours_only(reason: str) -> pytest.MarkDecorator:
    """For what is on purpose not as in the original."""
    return pytest.mark.skipif(bool(ELSEWHERE), reason=reason)


def call(id_: str | None, target: str, *arguments: Any, streams: tuple[str, ...] = ()) -> Message:
    message: Message = {"type": 1} | ({"invocationId": id_} if id_ is not None else {})
    return (
        message | {"target": target, "arguments": list(arguments)} | ({"streamIds": list(streams)} if streams else {})
    )


def stream(id_: str, target: str, *arguments: Any, streams: tuple[str, ...] = ()) -> Message:
    return call(id_, target, *arguments, streams=streams) | {"type": 4}


def item(id_: str, value: Any) -> Message:
    return {"type": 2, "invocationId": id_, "item": value}


def done(id_: str, **outcome: Any) -> Message:
    """A completion: `result=`, `error=`, or neither."""
    return {"type": 3, "invocationId": id_, **outcome}


def cancel(id_: str) -> Message:
    return {"type": 5, "invocationId": id_}


def received(label: str, text: str) -> Message:
    """What `ReceiveMessage` looks like when it arrives."""
    return {"type": 1, "target": "ReceiveMessage", "arguments": [label, text]}
