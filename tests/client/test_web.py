"""aiohttp as the client uses it, on servers of the same process."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from hubline import ConnectionClosed, NegotiationError
from hubline.client.negotiation import Place
from hubline.client.settings import WebSettings
from hubline.client.web import Web
from hubline.websocket_frames import accept_header
from tests.client.scripted_http import received
from tests.ports import free_port
from tests.relays import Dial, relay

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(post: Handler | None = None, socket: Handler | None = None) -> AsyncIterator[tuple[Web, str]]:
    app = web.Application()
    if post is not None:
        app.router.add_post("/hub", post)
    if socket is not None:
        app.router.add_get("/hub", socket)
    async with TestServer(app) as server:
        client = Web(WebSettings())
        try:
            yield client, str(server.make_url("/hub"))
        finally:
            await client.close()


async def post_to(
    client: Web, url: str, headers: dict[str, str], largest: int | None = None, seconds: float | None = None
) -> tuple[int, bytes]:
    return await client.request("POST", url, headers, largest=largest, seconds=seconds)


async def test_a_post_and_its_cookie() -> None:
    async def post(request: web.Request) -> web.Response:
        response = web.Response(status=202, text=f"{request.headers['X-A']} {await request.text()!r}")
        response.set_cookie("node", "7")
        return response

    async def socket(request: web.Request) -> web.WebSocketResponse:
        found = web.WebSocketResponse()
        await found.prepare(request)
        await found.send_str(request.cookies["node"])
        async for message in found:
            await found.send_str(message.type.name)
        return found

    async with serving(post, socket) as (client, url):
        assert await post_to(client, url, {"X-A": "a"}) == (202, b"a ''")
        for binary, name in ((False, b"TEXT"), (True, b"BINARY")):
            opened = await client.connect(Place(url, {}), binary=binary, maximum_message_size=None)
            assert await received(opened) == b"7", "cookies of the negotiation come with the WebSocket"
            await opened.write(b"x")
            assert await received(opened) == name
            await opened.close()
            with pytest.raises(ConnectionClosed):
                await opened.write(b"x")


async def test_redirections_of_http_are_not_followed_and_long_answers_not_read() -> None:
    async def post(request: web.Request) -> web.Response:
        if "long" in request.query:
            return web.Response(body=b"x" * 1_000)
        raise web.HTTPFound("/elsewhere")

    async with serving(post) as (client, url):
        assert (await post_to(client, url, {}))[0] == 302
        with pytest.raises(ConnectionClosed, match="more than 900 bytes"):
            await post_to(client, url + "?long", {}, largest=900)


async def test_a_refused_upgrade() -> None:
    async def socket(request: web.Request) -> web.Response:
        return web.Response(status=401)

    async with serving(socket=socket) as (client, url):
        with pytest.raises(NegotiationError, match="refused the WebSocket with status 401") as found:
            await client.connect(Place(url, {}), binary=False, maximum_message_size=None)
        assert found.value.status == 401


@pytest.mark.parametrize(
    ("code", "text"),
    [(1000, "the server closed the WebSocket"), (1011, "WebSocket closed with status code: 1011 (oh).")],
)
async def test_how_it_ends(code: int, text: str) -> None:
    async def socket(request: web.Request) -> web.WebSocketResponse:
        found = web.WebSocketResponse()
        await found.prepare(request)
        await found.close(code=code, message=b"oh")
        return found

    async with serving(socket=socket) as (client, url):
        opened = await client.connect(Place(url, {}), binary=False, maximum_message_size=None)
        with pytest.raises(ConnectionClosed) as ended:
            await received(opened)
        assert str(ended.value) == text


@asynccontextmanager
async def answering(answer: Callable[[bytes], bytes]) -> AsyncIterator[str]:
    """The address of a server that answers one request with these bytes, in one piece."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(await reader.readuntil(b"\r\n\r\n")))
        await reader.read()
        writer.close()
        await writer.wait_closed()
        ended.set_result(None)

    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hub"
        await ended


def accepted(request: bytes) -> bytes:
    (key,) = [line[19:] for line in request.decode().splitlines() if line.lower().startswith("sec-websocket-key: ")]
    proof = accept_header(key.encode()).decode()
    headers = ["Upgrade: WebSocket", "Connection: upgrade", f"Sec-WebSocket-Accept: {proof}"]
    return "\r\n".join(["HTTP/1.1 101 x", *headers, "\r\n"]).encode()


async def test_what_comes_with_the_upgrade_is_read_and_an_open_socket_does_not_keep_the_session() -> None:
    async with answering(lambda request: accepted(request) + b"\x81\x05first\x81\x06sec") as url:
        client = Web(WebSettings())
        opened = await client.connect(Place(url, {}), binary=False, maximum_message_size=None)
        assert await received(opened) == b"first"
        reading = asyncio.create_task(received(opened))
        await client.close()
        with pytest.raises(ConnectionClosed, match="the connection to the server was lost"):
            await reading


@pytest.mark.parametrize(
    ("old", "new"),
    [(b"Accept: ", b"Accept: x"), (b"WebSocket\r", b"h2c\r"), (b"upgrade\r", b"close\r")],
)
async def test_a_server_that_upgrades_to_something_else(old: bytes, new: bytes) -> None:
    async with answering(lambda request: accepted(request).replace(old, new, 1)) as url:
        client = Web(WebSettings())
        with pytest.raises(NegotiationError, match="another upgrade"):
            await client.connect(Place(url, {}), binary=False, maximum_message_size=None)
        await client.close()


async def test_a_message_that_is_too_large_and_a_lost_connection() -> None:
    async def socket(request: web.Request) -> web.WebSocketResponse:
        found = web.WebSocketResponse()
        await found.prepare(request)
        if "lost" not in request.query:
            await found.send_bytes(bytes(2_000_000))
        elif request.transport is not None:
            request.transport.abort()
        return found

    async with serving(socket=socket) as (client, url):
        opened = await client.connect(Place(url, {}), binary=False, maximum_message_size=100)
        with pytest.raises(ConnectionClosed, match=r"WebSocket failed: .*exceeds"):
            await received(opened)
        opened = await client.connect(Place(url + "?lost", {}), binary=False, maximum_message_size=100)
        with pytest.raises(ConnectionClosed, match="the connection to the server was lost"):
            await received(opened)


async def test_nobody_is_there_and_the_query_is_not_shown() -> None:
    url = f"http://127.0.0.1:{free_port()}/hub"
    client = Web(WebSettings())
    try:
        for call in (
            post_to(client, url + "?secret", {}),
            client.connect(Place(url + "?secret", {}), binary=False, maximum_message_size=None),
        ):
            with pytest.raises(ConnectionClosed, match="cannot reach") as found:
                await call
            assert "secret" not in str(found.value)
    finally:
        await client.close()


@pytest.mark.parametrize(
    ("url", "headers", "text"),
    [
        ("http://h:port/hub?secret", {}, "it is no address"),
        ("http://a..b/hub?secret", {}, "label empty or too long"),
        ("", {"Authorization": "Bearer a\nb"}, "control character"),
    ],
)
async def test_what_cannot_be_sent_is_a_connection_that_cannot_be_made(
    url: str, headers: dict[str, str], text: str
) -> None:
    async with serving() as (client, ours):
        place = Place(url or f"{ours}?secret", headers)
        for call in (
            post_to(client, place.url, headers),
            client.listen(place.url, headers),
            client.connect(place, binary=False, maximum_message_size=None),
        ):
            with pytest.raises(ConnectionClosed, match=text) as found:
                await call
            assert "secret" not in str(found.value)


async def test_a_response_that_cannot_be_read_does_not_show_the_query() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: few\r\n\r\n")
        writer.close()

    client = Web(WebSettings())
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        with pytest.raises(ConnectionClosed, match="its response cannot be read") as found:
            await post_to(client, f"http://{host}:{port}/hub?secret", {})
        assert "secret" not in str(found.value)
        await client.close()


async def test_a_session_of_the_application_is_not_closed() -> None:
    async with aiohttp.ClientSession() as http:
        await Web(WebSettings(http)).close()
        assert not http.closed


async def echo(request: web.Request) -> web.StreamResponse:
    """A hub's address, for every transport: it sets a cookie, and says what it got."""
    if request.headers.get("Upgrade") == "websocket":
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str(request.cookies.get("node", "none"))
        return socket
    text = f"{request.method} {await request.text()} {request.cookies.get('node', 'none')}"
    if request.headers.get("Accept") == "text/event-stream":
        return web.Response(text=f"data: {text}\n\n", content_type="text/event-stream")
    response = web.Response(text=text)
    response.set_cookie("node", "7")
    return response


async def speaks(client: Web, url: str) -> None:
    """Every kind of request arrives, with the cookie of the first."""
    assert await post_to(client, url, {}) == (200, b"POST  none")
    body = await client.listen(url, {"Accept": "text/event-stream"})
    assert await body.read() == b"data: GET  7\n\n"
    assert await body.read() == b""
    assert await client.request("DELETE", url, {}, largest=None, seconds=None) == (200, b"DELETE  7")
    opened = await client.connect(Place(url, {}), binary=False, maximum_message_size=None)
    assert await received(opened) == b"7"
    await opened.close()


def application() -> web.Application:
    app = web.Application()
    app.router.add_route("*", "/hub", echo)
    return app


async def test_a_unix_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    runner = web.AppRunner(application())
    await runner.setup()
    client = Web(WebSettings(unix_socket=path))
    try:
        await web.UnixSite(runner, path).start()
        await speaks(client, "http://localhost/hub")
    finally:
        await client.close()
        await runner.cleanup()


def proxy(seen: list[str]) -> AbstractAsyncContextManager[str]:
    """An HTTP proxy that only forwards. `seen` gets the methods and targets of its requests."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, dial: Dial) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.decode().split(" ", 2)
        seen.append(f"{method} {target.partition('?')[0]}")
        host, port = target.removeprefix("http://").partition("/")[0].split(":")
        far_reader, far_writer = await dial(host, int(port))
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        else:
            far_writer.write(head)
        await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))

    return relay(serve)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    found = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(key, SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(found.public_bytes(Encoding.PEM) + private)
    return path


def serving_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_and_certificates(scheme: str, certificate: Path) -> None:
    ours = ssl.create_default_context(cafile=certificate)
    seen: list[str] = []
    server = TestServer(application(), scheme=scheme)
    await server.start_server(ssl=serving_tls(certificate) if scheme == "https" else None)
    async with proxy(seen) as address:
        client = Web(WebSettings(tls=ours, proxy=address))
        try:
            await speaks(client, str(server.make_url("/hub")))
        finally:
            await client.close()
            await server.close()
    assert seen
    assert {line.split()[0] for line in seen} <= ({"CONNECT"} if scheme == "https" else {"POST", "GET", "DELETE"})


async def test_a_certificate_that_nobody_trusts(certificate: Path) -> None:
    server = TestServer(application(), scheme="https")
    await server.start_server(ssl=serving_tls(certificate))
    client = Web(WebSettings())
    try:
        with pytest.raises(ConnectionClosed, match="certificate"):
            await post_to(client, str(server.make_url("/hub")), {})
    finally:
        await client.close()
        await server.close()


async def test_a_request_is_never_sent_twice() -> None:
    """aiohttp sends a GET again if its connection is lost. What the answer to a poll carried would be lost silently."""
    came: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        came.append(request.method)
        if len(came) > 1 and request.transport is not None:
            request.transport.abort()
        return web.Response()

    app = web.Application()
    app.router.add_route("*", "/hub", answer)
    async with TestServer(app) as server, aiohttp.ClientSession() as http:
        for client in (Web(WebSettings()), Web(WebSettings(http))):
            came.clear()
            url = str(server.make_url("/hub"))
            await client.request("GET", url, {}, largest=None, seconds=None)
            with pytest.raises(ConnectionClosed, match="cannot reach"):
                await client.request("GET", url, {}, largest=None, seconds=None)
            assert came == ["GET", "GET"]
            await client.close()


async def test_an_answer_that_does_not_come_and_a_stream_that_is_none() -> None:
    async def never(request: web.Request) -> web.StreamResponse:
        if request.method == "GET":
            return web.Response(status=int(request.query["status"]), text="<html>")
        await asyncio.sleep(60)
        return web.Response()

    app = web.Application()
    app.router.add_route("*", "/hub", never)
    async with TestServer(app) as server:
        client, url = Web(WebSettings()), str(server.make_url("/hub"))
        try:
            with pytest.raises(TimeoutError):
                await post_to(client, url, {}, seconds=0.01)
            for status, text in ((200, "a body of text/plain"), (403, "status 403")):
                with pytest.raises(NegotiationError, match=f"refused the event stream with {text}") as found:
                    await client.listen(f"{url}?status={status}", {})
                assert found.value.status == status
        finally:
            await client.close()
