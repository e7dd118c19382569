"""A real server on either path, and a peer that says exactly the bytes it is given."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from hubline._tasks import TaskOwner
from hubline.connection import TransportConnection
from hubline.errors import ConnectionClosed
from hubline.servers.accelerated import HubWebSocketProtocol
from hubline.servers.protocols import WebSocketProtocol
from hubline.servers.uvicorn import Server, bind, configure
from hubline.transports.options import TransportOptions
from hubline.wire.packet import Packet
from tests.client_frames import MASK
from tests.transports.driver import Site

UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)
BYE = b"\x88\x82" + MASK + bytes([0x03 ^ 1, 0xE8 ^ 2])
BYE_ANSWERED = b"\x88\x02\x03\xe8"


class Plain(WebSocketProtocol):
    """The last connection made, to look into."""

    last: "Plain"
    close_timeout = 0.1

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.close_timeout = type(self).close_timeout
        self.gone = asyncio.Event()
        type(self).last = self

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.gone.set()


class Accelerated(HubWebSocketProtocol):
    """The same."""

    last: "Accelerated"
    close_timeout = 0.1
    standard = Plain

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.gone = asyncio.Event()
        type(self).last = self

    @property
    def connections(self) -> set[Any]:
        return self._state.connections

    @property
    def tasks(self) -> set[asyncio.Task[None]]:
        return self._state.tasks

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.gone.set()


PATHS: dict[str, type[Plain] | type[Accelerated]] = {"plain": Plain, "accelerated": Accelerated}


class Listening:
    """An application of the real endpoint that notes what comes, and writes and ends as a test says."""

    def __init__(self, **options: Any) -> None:
        self.received: list[bytes] = []
        self.came = asyncio.Event()
        """Set by a message, to be cleared by the test."""
        self.began = asyncio.Event()
        self.over = asyncio.Event()
        self.failure: Exception | None = None
        self.held: asyncio.Future[None] | None = None
        """Asks the peer to wait behind its next message."""
        self.connection: TransportConnection
        self._site = Site(self._serve, options=TransportOptions(**options))
        self.clock = self._site.clock

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self._site.endpoint.connect(scope, receive, send)

    async def _serve(self, connection: TransportConnection) -> None:
        self.connection = connection
        self.began.set()
        try:
            await connection.consume(self._feed)
        except ConnectionClosed:
            self.over.set()
        if self.failure is not None:
            raise self.failure

    def _feed(self, payload: bytes) -> asyncio.Future[None] | None:
        self.received.append(payload)
        self.came.set()
        return self.held if self.held is not None and not self.held.done() else None

    def hold(self) -> asyncio.Future[None]:
        self.held = asyncio.get_running_loop().create_future()
        return self.held

    def write(self, payload: bytes) -> None:
        self.connection.write(Packet(payload))

    def end(self, failure: Exception | None = None) -> None:
        """Have our side close."""
        self.failure = failure
        self.connection.end_input()

    async def close(self) -> None:
        await self._site.close()


class Peer:
    """Says bytes, and tells what was answered behind the head of the upgrade."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.head = b""

    @classmethod
    async def ask(cls, url: str, headers: bytes = b"", **settings: Any) -> "Peer":
        """Ask for the upgrade; the answer is still to come."""
        return await cls.say_raw(url, UPGRADE + headers + b"\r\n", **settings)

    @classmethod
    async def say_raw(cls, url: str, *pieces: bytes, **settings: Any) -> "Peer":
        """Connect and say these bytes, each piece when the one before has been read, as far as that can be seen."""
        scheme, _, address = url.partition(":")
        if scheme == "unix":
            self = cls(*await asyncio.open_unix_connection(address))
        else:
            host, _, port = address.removeprefix("//").rpartition(":")
            self = cls(*await asyncio.open_connection(host, int(port), **settings))
        for number, piece in enumerate(pieces):
            self.writer.write(piece)
            if number < len(pieces) - 1:
                for _ in range(10):
                    await asyncio.sleep(0)
        return self

    @classmethod
    async def connect(cls, url: str, headers: bytes = b"", **settings: Any) -> "Peer":
        self = await cls.ask(url, headers, **settings)
        await self.answered()
        return self

    async def answered(self) -> None:
        self.head = await self.reader.readuntil(b"\r\n\r\n")

    def say(self, *frames: bytes) -> None:
        self.writer.write(b"".join(frames))

    async def hear(self, number: int) -> bytes:
        return await self.reader.readexactly(number)

    async def hear_all(self) -> bytes:
        """What comes until the server has closed the socket."""
        heard = await self.reader.read()
        self.writer.close()
        return heard

    def reset(self) -> None:
        """Cut the connection with an RST, unless the server has cut it already."""
        with suppress(OSError):
            sock = self.writer.get_extra_info("socket")
            sock.setsockopt(1, 13, b"\x01\0\0\0\0\0\0\0")  # SOL_SOCKET, SO_LINGER: on, 0 s
        self.writer.transport.abort()


class Gated:
    """Keeps every WebSocket from an application until the gate is opened."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.asked = asyncio.Event()
        self.gate = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked.set()
        await self.gate.wait()
        await self._app(scope, receive, send)


@asynccontextmanager
async def served(app: Any, *, uds: Path | None = None, **settings: Any) -> AsyncIterator[str]:
    """uvicorn with `app`; its URL."""
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    chosen = {"log_config": None, "log_level": "error", "lifespan": "off", "uds": str(uds) if uds else None} | settings
    config = configure(app, port=0, **chosen)
    server = Server(config, ready=ready.set_result)
    running = TaskOwner("test").start(server.serve(None if uds else bind("127.0.0.1", 0)))
    async with asyncio.timeout(60):  # a net under it: what a test holds may be counted among a million objects
        yield await ready
        server.should_exit = server.force_exit = True
        await running


@asynccontextmanager
async def listening(path: str, **settings: Any) -> AsyncIterator[tuple[Listening, str]]:
    """A `Listening` on one of `PATHS`, and its URL."""
    app = Listening()
    async with served(app, ws=PATHS[path], **settings) as url:
        yield app, url
    await app.close()


def trusting(certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(certificate))
    context.check_hostname = False
    return context
