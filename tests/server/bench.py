"""A hub at work on transports that tests hold in their hands: exact bytes, exact moments, time moved by hand."""

import asyncio
import itertools
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from hubline._tasks import TaskOwner
from hubline.auth.policies import Policies, Policy
from hubline.connection import ConnectionScope, Feed, Heartbeat, Identity, Transport
from hubline.errors import ConnectionClosed
from hubline.server.connection import serve
from hubline.server.filters import HubFilter
from hubline.server.hub import Hub
from hubline.server.observer import Observer
from hubline.server.options import HubOptions
from hubline.server.runtime import HubRuntime
from hubline.testing import ManualClock, settle
from hubline.wire.codec import Codec, TransferFormat
from hubline.wire.json import JsonCodec
from hubline.wire.messages import Invocation, Message, StreamInvocation
from hubline.wire.msgpack import MessagePackCodec
from hubline.wire.packet import Packet

CODECS: dict[str, Codec] = {"json": JsonCodec(), "messagepack": MessagePackCodec()}
TIME_LIMIT = 60.0


class FakeTransport:
    """A `TransportConnection` without anything behind it. `written` is what the hub wrote, packet by packet."""

    def __init__(self, connection_id: str, scope: ConnectionScope, *, inherent_keep_alive: bool = False) -> None:
        self.id, self.scope = connection_id, scope
        self.transport = Transport.LONG_POLLING if inherent_keep_alive else Transport.WEB_SOCKETS
        self.transfer_formats = frozenset(TransferFormat)
        self.has_inherent_keep_alive = inherent_keep_alive
        self.lost = self.expired = self.timed_out = self.unoffered = self.detached = self.stateful_reconnect = False
        self.reconnected: Callable[[], None] | None = None
        self.window = 0.0
        self.transfer_format: TransferFormat | None = None
        self.maximum_message: int | None = None
        self.written: deque[bytes] = deque()
        self.news = asyncio.Event()
        self.room = asyncio.Event()
        self.room.set()
        self.drains = self.stirred = 0
        self.beat: Heartbeat = lambda now: None
        self.push: Feed
        """What takes bytes as a frame channel hands them over, once the connection reads."""
        self.refreshed: Callable[[], None] = lambda: None
        self._input: asyncio.Queue[bytes] = asyncio.Queue()
        self._end: ConnectionClosed | None = None
        self._ended = asyncio.Event()

    def use(self, transfer_format: TransferFormat, *, maximum_message: int | None = None) -> None:
        self.transfer_format, self.maximum_message = transfer_format, maximum_message

    def on_heartbeat(self, callback: Heartbeat) -> None:
        self.beat = callback

    def on_reconnected(self, callback: Callable[[], None], *, window: float) -> None:
        self.reconnected, self.window = callback, window

    def stir(self) -> None:
        self.stirred += 1

    def on_refresh(self, callback: Callable[[], None]) -> None:
        self.refreshed = callback

    async def receive(self) -> bytes:
        while self._end is None and self._input.empty():
            self._ended.clear()
            await self._ended.wait()
        if self._end is not None:
            raise self._end
        return self._input.get_nowait()

    async def consume(self, feed: Feed) -> None:
        self.push = feed
        while True:
            held = feed(await self.receive())
            if held is not None:
                await held

    def end_input(self) -> None:
        self.lose(ConnectionClosed())

    def write(self, packet: bytes) -> bool:
        if not self.lost:
            self.written.append(packet)
            self.news.set()
        return self.room.is_set()

    def replace(self, packet: Packet) -> bool:
        return self.write(packet)

    def write_now(self, packet: bytes) -> bool:
        return self.write(packet)

    async def drain(self) -> None:
        self.drains += 1
        await self.room.wait()

    def abort(self, error: Exception | None = None) -> None:
        self.lost = True
        self.end_input()

    # What tests do to it

    def feed(self, data: bytes) -> None:
        self._input.put_nowait(data)
        self._ended.set()

    def lose(self, error: ConnectionClosed) -> None:
        """Input ends with this error, unless it has ended already."""
        self._end = self._end or error
        self._ended.set()


class Line:
    """One connection: what a client sends, and what it gets."""

    def __init__(self, transport: FakeTransport, codec: Codec, task: asyncio.Task[None]) -> None:
        self.transport, self.codec, self.task = transport, codec, task
        self.id = transport.id
        self._ids = itertools.count(1)
        self._splitter = codec.splitter(None)
        self._shaken = False

    def send(self, *messages: Message | Mapping[str, Any] | bytes) -> None:
        """Bytes as they are, messages by their codec, and dictionaries as JSON: all in one payload."""
        self.transport.feed(b"".join(map(self._encoded, messages)))

    def call(self, target: str, *arguments: Any, streams: Iterable[str] = ()) -> str:
        """Invoke a method; its invocation id."""
        number = str(next(self._ids))
        self.send(Invocation(invocation_id=number, target=target, arguments=arguments, stream_ids=tuple(streams)))
        return number

    def stream(self, target: str, *arguments: Any, streams: Iterable[str] = ()) -> str:
        number = str(next(self._ids))
        self.send(StreamInvocation(invocation_id=number, target=target, arguments=arguments, stream_ids=tuple(streams)))
        return number

    def take(self) -> list[Any]:
        """What was written since, decoded: dictionaries of JSON, lists of MessagePack. The handshake's answer first."""
        taken: list[Any] = []
        while self.transport.written:
            data = self.transport.written.popleft()
            if not self._shaken:
                self._shaken = True
                taken.append(json.loads(data[:-1]))
            else:
                taken += map(self._decoded, self._splitter.feed(data))
        self.transport.news.clear()
        return taken

    async def took(self, count: int = 1) -> list[Any]:
        """The next messages, at least `count` of them: for methods in threads."""
        taken: list[Any] = []
        async with asyncio.timeout(TIME_LIMIT):
            while len(taken) < count:
                await self.transport.news.wait()
                taken += self.take()
        return taken

    async def result(self, target: str, *arguments: Any, streams: Iterable[str] = ()) -> Any:
        """Invoke, and read the one message that answers: the result, or the error as an exception's text."""
        self.call(target, *arguments, streams=streams)
        (answer,) = await self.took()
        if isinstance(answer, list):
            return answer[4] if answer[3] == 3 else f"error: {answer[4]}"
        return answer["result"] if "result" in answer else f"error: {answer['error']}"

    async def ended(self) -> list[Any]:
        """Wait for the end of the connection; what was written before it."""
        async with asyncio.timeout(TIME_LIMIT):
            await asyncio.wait([self.task])
        return self.take()

    def refresh(self, identity: Identity) -> None:
        """What the transport does when a refresh counts."""
        self.transport.scope = self.transport.scope.renewed(identity, identity.user_id)
        self.transport.refreshed()

    def lose(self, error: ConnectionClosed | None = None) -> None:
        """The peer is gone, and the transport has noticed."""
        self.transport.lost = True
        self.transport.lose(error or ConnectionClosed())

    def _encoded(self, message: Message | Mapping[str, Any] | bytes) -> bytes:
        if isinstance(message, bytes):
            return message
        if isinstance(message, Mapping):
            return json.dumps(message).encode() + b"\x1e"
        return self.codec.encode(message)

    def _decoded(self, payload: bytes) -> Any:
        return json.loads(payload) if self.codec.name == "json" else msgspec.msgpack.decode(payload)


class Bench:
    """A runtime and its connections."""

    def __init__(
        self,
        hub: type[Hub[Any]],
        *,
        create: Callable[[], Hub[Any]] | None = None,
        filters: Sequence[HubFilter] = (),
        policies: Mapping[str, Policy] | None = None,
        observer: Observer | None = None,
        **options: Any,
    ) -> None:
        self.clock = ManualClock()
        self.tasks = TaskOwner("bench")
        self.lines: list[Line] = []
        self._numbers = itertools.count(1)
        self._connections = TaskOwner("connections")
        chosen = HubOptions(**options)
        self.runtime = HubRuntime(
            hub,
            create or hub,
            codecs=[CODECS[name] for name in chosen.codecs],
            options=chosen,
            filters=filters,
            policies=Policies(policies),
            clock=self.clock,
            tasks=self.tasks,
            observer=observer,
        )

    def open(
        self,
        user: str | None = None,
        *,
        codec: str = "json",
        query: str = "",
        inherent_keep_alive: bool = False,
        stateful_reconnect: bool = False,
    ) -> Line:
        """A connection before its handshake."""
        scope = ConnectionScope(
            {"path": "/hub", "query_string": query.encode(), "headers": []}, Identity(user) if user else None
        )
        transport = FakeTransport(f"c{next(self._numbers)}", scope, inherent_keep_alive=inherent_keep_alive)
        transport.stateful_reconnect = stateful_reconnect
        task = self._connections.start(serve(self.runtime, transport), name=transport.id)
        line = Line(transport, CODECS[codec], task)
        self.lines.append(line)
        return line

    async def connect(self, user: str | None = None, *, codec: str = "json", query: str = "", **more: Any) -> Line:
        """A connection whose handshake was answered; what was written up to now is taken."""
        line = self.open(user, codec=codec, query=query, **more)
        line.send(b'{"protocol":"%s","version":1}\x1e' % codec.encode())
        await settle()
        assert line.take()[0] == {}
        return line

    async def tick(self, seconds: float = 1.0) -> None:
        """Let time pass, a heartbeat a second."""
        for _ in range(int(seconds)):
            await self.clock.advance(1.0)
            for line in self.lines:
                if not line.task.done():
                    line.transport.beat(self.clock.now())
            await settle()

    def assert_nothing_left(self) -> None:
        """No task, no membership, no awaited result."""
        assert len(self.tasks) == 0
        assert set(self.runtime.fanout.statistics().values()) == {0}

    async def end(self) -> None:
        for line in self.lines:
            line.lose()
        await settle()
        await self._connections.cancel()
        await self.tasks.cancel()


@asynccontextmanager
async def bench(hub: type[Hub[Any]], **settings: Any) -> AsyncIterator[Bench]:
    """A runtime for one test. `settings`: `create`, `filters`, `policies`, `observer`, and those of `HubOptions`."""
    made = Bench(hub, **settings)
    try:
        yield made
    finally:
        await made.end()


def completion(number: str, result: Any = None, *, error: str | None = None) -> dict[str, Any]:
    """The JSON of a completion with a result, or with an error."""
    content = {"result": result} if error is None else {"error": error}
    return {"type": 3, "invocationId": number, **content}


def item(number: str, value: Any) -> dict[str, Any]:
    return {"type": 2, "invocationId": number, "item": value}


def done(number: str) -> dict[str, Any]:
    """The JSON of the end of a stream."""
    return {"type": 3, "invocationId": number}


def called(target: str, *arguments: Any) -> dict[str, Any]:
    """The JSON of a call from the server."""
    return {"type": 1, "target": target, "arguments": list(arguments)}
