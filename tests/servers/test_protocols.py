"""What uvicorn alone does not bound, over real sockets: each test fails with uvicorn's own protocols."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from hubline._tasks import TaskOwner
from hubline.extensions import DISCONNECT
from hubline.servers.protocols import (
    HEAD_SIZE,
    HEADERS,
    PIPELINED,
    READ_SIZE,
    HttpProtocol,
    WebSocketProtocol,
)
from hubline.servers.uvicorn import Server, bind, configure
from tests.servers.raw_client import CLOSE, PING, TEXT, RawWebSocket

CONTINUATION = 0
BAD_REQUEST = b"HTTP/1.1 400 "


class Hasty(HttpProtocol):
    """The same with times that a test can wait for."""

    head_timeout = 0.1
    body_grace = 0.1


class Patient(Hasty):
    """Looks at the rate of a body three times more rarely than `Hasty` closes a silent socket."""

    body_grace = 0.3


class Watched(WebSocketProtocol):
    """The last connection made, to look into."""

    last: "Watched"

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        Watched.last = self


class Application:
    """Reads bodies and WebSocket messages as a test lets it, and tells what came."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.left = asyncio.Event()
        self.messages: asyncio.Queue[Any] = asyncio.Queue()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await self._websocket(receive, send)
        elif scope["type"] == "http":
            if scope["path"] == "/held":
                await self.gate.wait()
            while (message := await receive()).get("more_body") or scope["path"] == "/events":
                if message["type"] == "http.disconnect":
                    break
            if message["type"] == "http.disconnect":
                self.left.set()
                return
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
            await send({"type": "http.response.body", "body": b"ok"})

    async def _websocket(self, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await self.gate.wait()
            self.messages.put_nowait(message.get("text") or message.get("bytes"))


@asynccontextmanager
async def served(app: "Application | Polled", **settings: Any) -> AsyncIterator[str]:
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    config = configure(app, port=0, log_config=None, log_level="error", lifespan="off", **settings)
    server = Server(config, ready=ready.set_result)
    running = TaskOwner("test").start(server.serve(bind("127.0.0.1", 0)))
    async with asyncio.timeout(60):
        yield await ready
        app.gate.set()
        server.should_exit = server.force_exit = True
        await running


async def said(url: str, *pieces: bytes) -> bytes:
    """What the server answers to these bytes, until it closes."""
    host, _, port = url.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    answer = b""
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        answer += await reader.read()
    except ConnectionError:  # closed while we were still writing
        pass
    writer.close()
    return answer


@pytest.mark.parametrize("pieces", [[], [b"\r\n"], [b"GET / HT"], [b"GET / HTTP/1.1\r\nHost: x\r\n", b"X: 1\r\n"]])
async def test_a_request_that_never_becomes_whole_holds_no_socket(pieces: list[bytes]) -> None:
    async with served(Application(), http=Hasty) as url:
        assert await said(url, *pieces) == b""


async def test_a_socket_that_has_said_nothing_is_closed_when_the_server_ends() -> None:
    async with served(Application()) as url:
        host, _, port = url.removeprefix("http://").rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        assert (await said(url, b"GET / HTTP/1.0\r\n\r\n")).endswith(b"ok")  # so the silent one was accepted before
    assert await reader.read() == b""
    writer.close()


async def test_half_a_second_request_holds_no_socket_either() -> None:
    async with served(Application(), http=Hasty, timeout_keep_alive=1000) as url:
        answer = await said(url, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"GET / HTTP/1.1\r\nHo")
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert answer.endswith(b"ok")


async def test_a_body_that_trickles_holds_no_socket() -> None:
    app = Application()
    async with served(app, http=Hasty) as url:
        assert await said(url, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n", b"a") == b""
        await app.left.wait()


async def test_a_body_that_the_application_does_not_read_may_take_its_time() -> None:
    app = Application()
    async with served(app, http=Hasty) as url:
        head = b"POST /held HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 200000\r\n\r\n"
        answer = TaskOwner("test").start(said(url, head, bytes(200_000)))
        await said(url, b"GET / HTTP/1.1\r\n")  # takes as long as a socket may be silent
        app.gate.set()
        assert (await answer).startswith(b"HTTP/1.1 200 ")


async def test_a_body_that_comes_in_slowly_but_steadily_is_taken() -> None:
    app = Application()
    async with served(app, http=Patient) as url:
        host, _, port = url.removeprefix("http://").rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n")
        for _ in range(5):
            writer.write(bytes(100))
            await said(url, b"GET / HTTP/1.1\r\n")
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200 ")
        writer.close()


LONG = b"x" * HEAD_SIZE


@pytest.mark.parametrize(
    "pieces",
    [
        [b"GET /" + LONG, *[LONG] * 8],
        [b"GET / HTTP/1.1\r\nA: " + LONG, *[LONG] * 8],
        [b"GET / HTTP/1.1\r\n", b"A: 1\r\n" * HEAD_SIZE],
        [b"GET / HTTP/1.1\r\n" + b"A: 1\r\n" * (HEADERS + 1) + b"\r\n"],
        [b"GET / HTTP/1.1\r\nA: " + LONG + b"\r\n\r\n"],
        [b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;", *[LONG] * 8],
        [b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: ", *[LONG] * 8],
        [b"GET /held HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n" * (PIPELINED + 1)],
    ],
    ids=["url", "header", "headers", "101 headers", "in one piece", "chunk extension", "trailer", "pipeline"],
)
async def test_more_than_a_request_has_reason_to_be_is_refused(pieces: list[bytes]) -> None:
    async with served(Application()) as url:
        answer = await said(url, *pieces)
        assert answer == b"" or answer.startswith(BAD_REQUEST)  # a reset may overtake the answer


async def test_an_ordinary_head_and_a_few_pipelined_requests_are_answered() -> None:
    async with served(Application()) as url:
        head = b"GET /%s HTTP/1.1\r\n%s\r\n" % (b"x" * 8000, b"A: 1\r\n" * (HEADERS - 1))
        last = b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"
        assert (await said(url, head * 3 + last)).count(b"HTTP/1.1 200 ") == 4


async def test_a_request_learns_that_its_peer_left_though_another_waits_behind_it() -> None:
    app = Application()
    async with served(app) as url:
        host, _, port = url.removeprefix("http://").rpartition(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /events HTTP/1.1\r\n\r\n" * 2)
        await writer.drain()
        writer.close()
        await app.left.wait()


class Polled:
    """Asks to be told when the client goes, as a poll does, and answers `/answered` at once."""

    def __init__(self) -> None:
        self.watched: asyncio.Queue[bool] = asyncio.Queue()
        self.gone = asyncio.Event()
        self.gate = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        if scope["path"] == "/read":
            await receive()
        self.watched.put_nowait(scope["extensions"][DISCONNECT]["watch"](self.gone.set))
        if scope["path"] != "/answered":
            await self.gate.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})
        self.watched.put_nowait(scope["extensions"][DISCONNECT]["watch"](self.gone.set))


async def connected(url: str, *pieces: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = url.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.writelines(pieces)
    return reader, writer


@pytest.mark.parametrize("behind", [0, 1], ids=["alone", "another waits behind it"])
async def test_a_request_is_told_by_a_call_that_its_client_has_gone(behind: int) -> None:
    app = Polled()
    async with served(app) as url:
        _, writer = await connected(url, b"GET / HTTP/1.1\r\n\r\n" * (1 + behind))
        assert await app.watched.get() is True
        assert not app.gone.is_set()
        writer.close()
        await app.gone.wait()


class GivenUp(Polled):
    """Gives its client up, who has been sent more than it reads."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "http.request"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x" * 10_000_000, "more_body": True})
        scope["extensions"][DISCONNECT]["abort"]()
        assert (await receive())["type"] == "http.disconnect"
        self.gone.set()


async def test_a_connection_that_an_application_gives_up_goes_without_what_waits() -> None:
    app = GivenUp()
    async with served(app) as url:
        reader, writer = await connected(url, b"GET / HTTP/1.1\r\n\r\n")
        await app.gone.wait()
        with suppress(ConnectionResetError):
            assert len(await reader.read()) < 10_000_000
        writer.close()


async def test_who_has_been_answered_is_told_nothing_and_cannot_ask() -> None:
    app = Polled()
    async with served(app) as url:
        reader, writer = await connected(url, b"GET /answered HTTP/1.1\r\n\r\n")
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200 ")
        assert [await app.watched.get() for _ in "12"] == [True, False]
        writer.write(b"GET /next HTTP/1.1\r\n\r\n")
        await app.watched.get()
        gone, app.gone = app.gone, asyncio.Event()
        writer.close()
        await gone.wait()
        assert not app.gone.is_set()


@pytest.mark.parametrize(
    ("path", "more", "body"),
    [("/", "Content-Length: 2", b""), ("/", "Content-Length: 2", b"ab"), ("/", "Expect: 100-continue", b"")],
    ids=["a body is to come", "a body was not read", "the client waits for 100"],
)
async def test_a_request_that_receive_has_something_for_is_sent_there(path: str, more: str, body: bytes) -> None:
    app = Polled()
    async with served(app) as url:
        _, writer = await connected(url, f"GET {path} HTTP/1.1\r\n{more}\r\n\r\n".encode() + body)
        assert await app.watched.get() is False
        app.gate.set()
        writer.close()


async def test_a_request_whose_body_was_read_is_told_as_well() -> None:
    app = Polled()
    async with served(app) as url:
        _, writer = await connected(url, b"GET /read HTTP/1.1\r\nContent-Length: 2\r\n\r\nab")
        assert await app.watched.get() is True
        writer.close()
        await app.gone.wait()


@pytest.mark.parametrize("more", ["Content-Length: 3", f"Cookie: {'x' * 9000}"])
async def test_an_upgrade_that_the_library_refuses_is_answered(more: str) -> None:
    async with served(Application()) as url:
        client = await RawWebSocket.open(url, "/", more)
        assert client.status in (400, 431)
        assert await client.messages() == []


async def test_pings_of_a_peer_that_does_not_read_pile_up_no_pongs() -> None:
    app = Application()
    async with served(app, ws=Watched) as url:
        client = await RawWebSocket.open(url, "/")
        for _ in range(50_000):
            client.send(b"x" * 125, PING)
        client.send(b"done")
        app.gate.set()
        assert await app.messages.get() == "done"
        assert Watched.last.transport.get_write_buffer_size() < 2 * HEAD_SIZE
        client.close()


async def test_a_message_in_a_hundred_thousand_fragments_is_one_message() -> None:
    app = Application()
    app.gate.set()
    async with served(app, ws=Watched) as url:
        client = await RawWebSocket.open(url, "/")
        client.fragment(b"a", TEXT)
        for number in range(100_000):
            client.fragment(b"b" if number % 2 else b"", CONTINUATION)
        client.send(b"", PING)
        assert (await client.frame())[0] == PING + 1  # all of them have been read
        assert len(Watched.last.frames) == 1
        client.send(b"c", CONTINUATION)
        assert await app.messages.get() == "a" + "b" * 50_000 + "c"
        client.close()


async def test_tiny_messages_to_a_busy_application_wait_in_the_socket() -> None:
    app = Application()
    async with served(app, ws=Watched) as url:
        client = await RawWebSocket.open(url, "/")
        for _ in range(20_000):
            client.send(b"x")
        await said(url, b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
        assert 0 < Watched.last.queue.qsize() <= READ_SIZE // 7
        app.gate.set()
        for _ in range(20_000):
            assert await app.messages.get() == "x"
        client.send(b"\x03\xe8", CLOSE)
        assert await client.messages() == ["close 1000"]


async def test_a_large_message_arrives_whole() -> None:
    app = Application()
    app.gate.set()
    async with served(app) as url:
        client = await RawWebSocket.open(url, "/")
        client.send(b"x" * 65_000)
        client.send(b"y" * 65_000, opcode=2)
        assert await app.messages.get() == "x" * 65_000
        assert await app.messages.get() == b"y" * 65_000
        client.close()
