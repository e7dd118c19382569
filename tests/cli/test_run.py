"""`hubline run` as a process of its own."""

import asyncio
import signal
import socket
import ssl
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID
from typer.testing import CliRunner
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidMessage

from hubline.auth.jwt import make_token
from hubline.cli.commands import commands
from hubline.cli.loading import load
from tests.cli.running import hubline
from tests.servers.raw_client import RawWebSocket

APPLICATION = """
import asyncio

draining = asyncio.Event()

async def drain():
    draining.set()

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        scope["state"]["hubline.drain"] = [drain]
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
    elif scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "welcome"})
        await draining.wait()
        await send({"type": "websocket.send", "text": "bye"})
        await send({"type": "websocket.close"})
    else:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"VERSION 1"})

number = 42
"""

HUBS = """
from hubline import Hub, HubApp

class ChatHub(Hub):
    async def on_connected(self) -> None:
        await self.clients.caller.send("Welcome")

hubs = HubApp({"/chat": ChatHub}, drain_timeout=1000)
"""

HANDSHAKE = b'{"protocol":"json","version":1}\x1e'
WELCOME = '{"type":1,"target":"Welcome","arguments":[]}\x1e'
GOODBYE = '{"type":7,"allowReconnect":true}\x1e'


both_paths = pytest.mark.parametrize("path", ["--accelerate", "--no-accelerate"])


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "application.py").write_text(APPLICATION)
    (tmp_path / "hubs.py").write_text(HUBS)
    return tmp_path


@both_paths
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains_and_ends_with_status_0(directory: Path, number: signal.Signals, path: str) -> None:
    """As soon as the drain functions have: the process of this test would be killed long before the drain time."""
    arguments = ("application:app", "--port", "0", "--drain-timeout", "1000", path)
    async with hubline(directory, "run", *arguments) as command:
        client = await RawWebSocket.open(await command.url(), "/hub?access_token=secret")
        assert await client.frame() == (1, b"welcome")
        command.process.send_signal(number)
        assert await client.messages() == ["bye", "close 1000"]
        assert await command.end() == 0
    assert "secret" not in "".join(command.log)
    assert "access_token=[redacted]" in "".join(command.log)


async def test_the_log_level_is_kept(directory: Path) -> None:
    async with hubline(directory, "run", "application:app", "--port", "0", "--log-level", "error") as command:
        await command.url()
        command.process.terminate()
        assert await command.end() == 0
    assert len("".join(command.log).splitlines()) == 1


@both_paths
async def test_the_size_of_a_websocket_message_is_limited(directory: Path, path: str) -> None:
    """Where it is held until it is whole, as that of an application without hubs is."""
    async with hubline(directory, "run", "application:app", "--port", "0", "--ws-max-size", "100", path) as command:
        peer = await RawWebSocket.open(await command.url(), "/")
        peer.send_together(b"x" * 100, b"x" * 101)  # uvicorn reads no further until the application has read the first
        assert await peer.messages() == ["welcome", "close 1009"]


async def test_a_unix_socket_can_be_listened_on(directory: Path) -> None:
    async with hubline(directory, "run", "application:app", "--uds", "hub.sock") as command:
        assert await command.url() == "unix:hub.sock"
        reader, writer = await asyncio.open_unix_connection(directory / "hub.sock")
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b"VERSION 1" in await reader.read()
        writer.close()
        command.process.terminate()
        assert await command.end() == 0


@pytest.mark.parametrize("root_path", ["/", "/live", "/live/", "live"])
async def test_a_root_path_is_the_same_with_a_slash_and_without(directory: Path, root_path: str) -> None:
    async with hubline(directory, "run", "hubs:hubs", "--port", "0", "--root-path", root_path) as command:
        url = await command.url()
        async with httpx.AsyncClient(timeout=60) as http:
            assert (await http.post(f"{url}/chat/negotiate")).status_code == 200
        client = await RawWebSocket.open(url, "/chat")
        assert client.status == 101
        command.process.terminate()
        assert await client.messages() == ["close 1000"]
        assert await command.end() == 0


async def test_with_reload_a_changed_file_is_served_anew(directory: Path) -> None:
    async with hubline(directory, "run", "application:app", "--port", "0", "--reload") as command:
        url = await command.url()
        changed = directory / "application.py.new"
        changed.write_text(APPLICATION.replace("VERSION 1", "VERSION 2 is longer"))
        changed.replace(directory / "application.py")  # at once: no server imports half of it
        await command.until("Hubline listens on")
        host, _, port = url.removeprefix("http://").rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b"VERSION 2" in await reader.read()
        writer.close()
        command.process.terminate()
        await command.end()


TRIED = """
from hubline import Hub, HubApp

class Chat(Hub):
    async def first(self) -> None: ...

app = HubApp({"/chat": Chat})
"""


async def test_with_reload_the_page_for_trying_shows_the_changed_hub(tmp_path: Path) -> None:
    (tmp_path / "application.py").write_text(TRIED)
    async with hubline(tmp_path, "run", "application:app", "--port", "0", "--reload", "--try") as command:
        url = await command.url()
        await command.until(f"Try its hubs at {url}/hubline/")
        changed = tmp_path / "application.py.new"
        changed.write_text(TRIED.replace("first", "second_one"))
        changed.replace(tmp_path / "application.py")
        await command.until("Try its hubs at")
        async with httpx.AsyncClient(timeout=60) as client:
            assert "SecondOne" in (await client.get(f"{url}/hubline/contract")).text
        command.process.terminate()
        await command.end()


def run(directory: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, str]:
    """The command in this process, for mistakes that are found before anything is served."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "application", raising=False)
    result = CliRunner().invoke(commands, ["run", "--app-dir", str(directory), *arguments])
    return result.exit_code, result.output


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            ["application"],
            "error: 'application' is no application: write `module:attribute`, such as `chat.app:app`",
        ),
        (["application:ap"], "error: 'application' has no attribute 'ap'; did you mean 'app'?"),
        (["application:number"], "error: application:number is not an ASGI application, but int"),
        (["aplication:app"], "error: there is no module 'aplication', neither in "),
        (["application:app", "--host", "192.0.2.1"], "error: cannot listen on 192.0.2.1:8000: Cannot assign requested"),
    ],
)
def test_a_mistake_is_told_in_one_line(
    directory: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], text: str
) -> None:
    status, output = run(directory, monkeypatch, *arguments)
    assert status == 1
    assert output.startswith(text)
    assert output.count("\n") == 1


@pytest.mark.parametrize(
    ("imported", "package", "way_out"),
    [
        ("hubline.auth.jwt", "jwt", "hubline[jwt]"),
        ("hubline.limits.rates", "pyrate_limiter", "hubline[limits]"),
        ("hubline.models.openai", "openai", "openai"),
        ("hubline.limits.redis_usage", "redis", "hubline[redis]"),
    ],
)
def test_an_extra_that_the_application_needs_is_named(
    directory: Path, monkeypatch: pytest.MonkeyPatch, imported: str, package: str, way_out: str
) -> None:
    (directory / "application.py").write_text(f"import {imported}\n")
    monkeypatch.delitem(sys.modules, imported, raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    if package == "redis":
        monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    told = run(directory, monkeypatch, "application:app")
    assert told == (1, f"error: the package {package!r} is missing: pip install {way_out!r}\n")


def test_an_import_that_fails_inside_the_application_is_not_hidden(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (directory / "importing.py").write_text("import no_such_package\n")
    monkeypatch.setattr(sys, "path", [*sys.path])
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        load("importing:app", str(directory))


def test_a_port_in_use_is_told(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, output = run(directory, monkeypatch, "application:app", "--port", str(port))
    assert (status, output) == (1, f"error: cannot listen on 127.0.0.1:{port}: Address already in use\n")


async def test_a_unix_socket_that_cannot_be_made_is_told(directory: Path) -> None:
    arguments = ["application:app", "--uds", "none/hub.sock", "--log-level", "error"]
    async with hubline(directory, "run", *arguments) as command:
        assert await command.end() == 1
    assert "".join(command.log).startswith("error: cannot listen on none/hub.sock: No such file")


async def test_an_application_that_does_not_start_gives_status_3(directory: Path) -> None:
    (directory / "broken.py").write_text(
        "async def app(scope, receive, send):\n"
        "    await receive()\n"
        "    await send({'type': 'lifespan.startup.failed', 'message': 'no database'})\n"
    )
    async with hubline(directory, "run", "broken:app", "--port", "0") as command:
        assert await command.end() == 3
    assert "no database" in "".join(command.log)


GUARDED = """
from hubline import Hub, HubApp, authorize
from hubline.auth.jwt import JwtBearer

@authorize
class ChatHub(Hub):
    async def on_connected(self) -> None:
        await self.clients.caller.send("Welcome")

bearer = JwtBearer("a secret of 32 bytes or more, for tests", algorithms=["HS256"])
hubs = HubApp({"/chat": ChatHub}, authenticate=bearer)
"""


@both_paths
@pytest.mark.parametrize("level", ["info", "debug"])
async def test_a_token_never_reaches_the_log(directory: Path, level: str, path: str) -> None:
    """Neither good ones nor bad ones, in header or query, whatever the transport."""
    (directory / "guarded.py").write_text(GUARDED)
    good = make_token("a secret of 32 bytes or more, for tests", "ada")
    bad = good[:-6] + "forged"
    async with hubline(directory, "run", "guarded:hubs", "--port", "0", "--log-level", level, path) as command:
        url = await command.url()
        for token, status in ((good, 101), (bad, 401)):
            for target, header in (
                (f"/chat?access_token={token}", "X-Other: 1"),
                (f"/chat?x=1&%41ccess_token={token}", f"Authorization: Bearer {token}"),
            ):
                client = await RawWebSocket.open(url, target, header)
                assert client.status == status
                if status == 101:
                    client.send(HANDSHAKE)
                    assert (await client.frame())[1].startswith(b"{}")
                client.close()
        async with httpx.AsyncClient(base_url=url, timeout=60) as http:
            for token, status in ((good, 200), (bad, 401)):
                headers = {"Authorization": f"Bearer {token}"}
                answer = await http.post("/chat/negotiate?negotiateVersion=1", headers=headers)
                assert answer.status_code == status
                connection = answer.json()["connectionToken"] if status == 200 else "x"
                query = {"id": connection, "access_token": token}
                assert (await http.post("/chat/negotiate", params=query)).status_code == 401  # the header is the place
                async with http.stream("GET", "/chat", params=query, headers={"Accept": "text/event-stream"}) as events:
                    assert events.status_code == status
                assert (await http.get("/chat", params=query)).status_code == 401  # a poll: the same
        command.process.terminate()
        assert await command.end() == 0
    log = "".join(command.log)
    assert log.count("access_token=[redacted]") >= 8  # two WebSockets, two negotiations, two streams, two polls
    assert "%41ccess_token=[redacted]" in log
    for token in (good, bad):
        assert not [part for part in token.split(".") if part in log]
    assert "Traceback" not in log


def test_the_level_that_prints_requests_whole_is_refused(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status, output = run(directory, monkeypatch, "application:app", "--log-level", "trace")
    assert status == 2
    assert "trace" in output


async def negotiated(http: httpx.AsyncClient, *, query: str = "") -> str:
    answer = await http.post(f"/chat/negotiate?negotiateVersion=1{query}")
    return str(answer.json()["connectionToken"])


@both_paths
async def test_hubs_say_good_bye_on_every_transport_before_the_process_ends(directory: Path, path: str) -> None:
    """As soon as all have left: the process of this test would be killed long before the drain time."""
    async with hubline(directory, "run", "hubs:hubs", "--port", "0", "--drain-timeout", "1000", path) as command:
        url = await command.url()
        async with httpx.AsyncClient(base_url=url, timeout=60) as http:
            websocket = await RawWebSocket.open(url, f"/chat?id={await negotiated(http)}")
            websocket.send(HANDSHAKE)
            greeting = b""
            while not greeting.endswith(WELCOME.encode()):
                greeting += (await websocket.frame())[1]

            polling = await negotiated(http)
            assert (await http.get("/chat", params={"id": polling})).status_code == 200
            assert (await http.post("/chat", params={"id": polling}, content=HANDSHAKE)).status_code == 200
            begun = ""
            while not begun.endswith(WELCOME):
                begun += (await http.get("/chat", params={"id": polling})).text
            poll = asyncio.ensure_future(http.get("/chat", params={"id": polling}))

            events = await negotiated(http)
            async with http.stream(
                "GET", "/chat", params={"id": events}, headers={"Accept": "text/event-stream"}
            ) as stream:
                lines = stream.aiter_lines()
                await http.post("/chat", params={"id": events}, content=HANDSHAKE)
                while WELCOME[:-1] not in await anext(lines):  # httpx takes the record separator for a line's end
                    pass

                command.process.terminate()
                assert [line async for line in lines if line] == [f"data: {GOODBYE[:-1]}"]
            assert await websocket.messages() == [GOODBYE, "close 1000"]
            assert (await poll).text == GOODBYE
            assert (await http.get("/chat", params={"id": polling})).status_code == 204
            assert await command.end() == 0
    log = "".join(command.log)
    assert not [token for token in (polling, events) if token in log]
    assert "id=[redacted]" in log
    assert "Traceback" not in log


@both_paths
async def test_refused_upgrades_are_no_errors_in_the_log(directory: Path, path: str) -> None:
    async with hubline(directory, "run", "hubs:hubs", "--port", "0", path) as command:
        url = await command.url()
        for target, header, status in (
            ("/chat?id=unknown", "X-Other: 1", 404),
            ("/chat", "Origin: http://elsewhere.example", 403),
            ("/nothing", "X-Other: 1", 403),
        ):
            client = await RawWebSocket.open(url, target, header)
            assert client.status == status
            client.close()
        command.process.terminate()
        assert await command.end() == 0
    log = "".join(command.log)
    assert '"WebSocket /chat?id=unknown" 404' in log
    assert "ERROR" not in log


@both_paths
async def test_without_access_log_nothing_is_said_of_requests_and_upgrades(directory: Path, path: str) -> None:
    async with hubline(directory, "run", "hubs:hubs", "--port", "0", "--no-access-log", path) as command:
        url = await command.url()
        for target, status in (("/chat", 101), ("/chat?id=unknown", 404)):
            client = await RawWebSocket.open(url, target)
            assert client.status == status
            client.close()
        async with httpx.AsyncClient(base_url=url, timeout=60) as http:
            assert (await http.get("/chat")).status_code == 400
        command.process.terminate()
        assert await command.end() == 0
    log = "".join(command.log)
    assert "/chat" not in log
    assert "connection " not in log
    assert "Application startup complete" in log


@pytest.mark.parametrize("seconds", ["-1", "nan", "inf", "soon"])
def test_a_drain_time_that_is_none_is_refused(directory: Path, monkeypatch: pytest.MonkeyPatch, seconds: str) -> None:
    status, output = run(directory, monkeypatch, "application:app", "--port", "0", "--drain-timeout", seconds)
    assert (status, "Invalid value for '--drain-timeout'" in output) == (2, True)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a self-signed certificate for this machine, its key, the same behind a password, and another."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, SHA256())
    )
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    for file, encryption in (("key.pem", NoEncryption()), ("locked.pem", BestAvailableEncryption(b"open"))):
        (folder / file).write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    other = ec.generate_private_key(ec.SECP256R1())
    (folder / "other.pem").write_bytes(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return folder


@both_paths
@pytest.mark.parametrize(
    "key", [["--ssl-keyfile", "key.pem"], ["--ssl-keyfile", "locked.pem", "--ssl-keyfile-password", "open"]]
)
async def test_hubs_are_served_over_tls(directory: Path, tls: Path, key: list[str], path: str) -> None:
    arguments = ["--ssl-certfile", str(tls / "certificate.pem"), key[0], str(tls / key[1]), *key[2:], path]
    async with hubline(directory, "run", "hubs:hubs", "--port", "0", *arguments) as command:
        url = await command.url()
        assert url.startswith("https://")
        trusting = ssl.create_default_context(cafile=str(tls / "certificate.pem"))
        address = url.replace("https://127.0.0.1", "wss://localhost") + "/chat"
        async with connect(address, ssl=trusting, host="127.0.0.1", proxy=None, open_timeout=60) as client:
            await client.send(HANDSHAKE.decode())
            received = ""
            while not received.endswith(WELCOME):
                received += str(await client.recv())
        command.process.terminate()
        assert await command.end() == 0
    assert "Traceback" not in "".join(command.log)


async def test_clients_must_show_a_certificate_where_authorities_are_named(directory: Path, tls: Path) -> None:
    files = [str(tls / name) for name in ("certificate.pem", "key.pem", "certificate.pem")]
    options = ["--ssl-certfile", files[0], "--ssl-keyfile", files[1], "--ssl-ca-certs", files[2]]
    async with hubline(directory, "run", "hubs:hubs", "--port", "0", *options) as command:
        address = (await command.url()).replace("https://127.0.0.1", "wss://localhost") + "/chat"
        context = ssl.create_default_context(cafile=files[0])
        with pytest.raises((OSError, EOFError, InvalidMessage)):
            async with connect(address, ssl=context, host="127.0.0.1", proxy=None, open_timeout=60) as client:
                await client.recv()
        context.load_cert_chain(files[0], files[1])
        async with connect(address, ssl=context, host="127.0.0.1", proxy=None, open_timeout=60) as client:
            await client.send(HANDSHAKE.decode())
            assert str(await client.recv()).startswith("{}")
        command.process.terminate()
        assert await command.end() == 0


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--ssl-keyfile", "key.pem"], "--ssl-certfile is missing"),
        (["--ssl-certfile", "none.pem"], "the TLS files cannot be read ("),
        (["--ssl-certfile", "certificate.pem", "--ssl-keyfile", "none.pem"], "the TLS files cannot be read ("),
        (["--ssl-certfile", "key.pem"], "there is no TLS certificate in "),
        (["--ssl-certfile", "certificate.pem", "--ssl-ca-certs", "key.pem"], "there is no TLS certificate in "),
        (["--ssl-certfile", "certificate.pem"], "no TLS key can be read from "),
        (["--ssl-certfile", "certificate.pem", "--ssl-keyfile", "certificate.pem"], "no TLS key can be read from "),
        (["--ssl-certfile", "certificate.pem", "--ssl-keyfile", "locked.pem"], "no TLS key can be read from "),
        (["--ssl-certfile", "certificate.pem", "--ssl-keyfile", "other.pem"], "the TLS files do not belong together: "),
    ],
)
def test_tls_files_that_cannot_be_used_are_told_in_one_line(
    directory: Path, tls: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], text: str
) -> None:
    places = [option if option.startswith("--") else str(tls / option) for option in options]
    status, output = run(directory, monkeypatch, "application:app", "--port", "0", *places)
    assert status == 1
    assert output.startswith(f"error: {text}")
    assert output.count("\n") == 1
