"""uvicorn's protocol with a channel: hand-over, ends, and everything that must be as it is without one."""

import asyncio
import contextlib
import datetime
import gc
import ipaddress
import logging
import os
import re
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from hubline import Hub, HubApp, TransportOptions
from hubline.extensions import CLOSE, FRAMES, frame_channel
from hubline.server.connection import HubConnectionContext
from hubline.server.context import HubCallerContext
from hubline.servers import accelerated
from hubline.servers.accelerated import HubWebSocketProtocol
from hubline.servers.channel import LIMIT, Channel
from hubline.servers.parser import Parser
from hubline.servers.protocols import READ_SIZE, HttpProtocol, WebSocketProtocol
from hubline.servers.uvicorn import configure
from hubline.testing import settle
from hubline.transports.frame_transport import FrameInput, FrameWriter
from hubline.transports.outbox import Outbox
from hubline.transports.session import Session
from tests.client_frames import CONTINUATION, MORE, PING, TEXT, frame
from tests.processes import child_process
from tests.servers.paths import (
    BYE,
    BYE_ANSWERED,
    PATHS,
    UPGRADE,
    Accelerated,
    Gated,
    Listening,
    Peer,
    Plain,
    listening,
    served,
    trusting,
)

both_paths = pytest.mark.parametrize("path", PATHS)
DEFLATE = b"Sec-WebSocket-Extensions: permessage-deflate\r\n"


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until it is so. The server's own timeout ends a test that waits in vain."""
    while not condition():  # noqa: ASYNC110  # nothing of this sets an event
        await asyncio.sleep(0)


# Ends


async def _accepted(app: Listening, peer: Peer) -> None:
    await app.began.wait()


async def _within_a_frame(app: Listening, peer: Peer) -> None:
    peer.say(frame(TEXT, b"a"), frame(TEXT, b"b" * 100)[:50])
    await app.came.wait()


async def _within_a_message(app: Listening, peer: Peer) -> None:
    peer.say(frame(TEXT, b"a"), frame(TEXT - MORE), frame(CONTINUATION - MORE))
    await app.came.wait()


async def _behind_a_ping(app: Listening, peer: Peer) -> None:
    peer.say(frame(PING, b"a"))
    assert await peer.hear(3) == b"\x8a\x01a"


async def _while_we_wait_for_its_close(app: Listening, peer: Peer) -> None:
    await app.began.wait()
    app.end()
    assert await peer.hear(4) == b"\x88\x02\x03\xe8"


@both_paths
@pytest.mark.parametrize("end", [lambda peer: peer.writer.close(), Peer.reset], ids=["EOF", "RST"])
async def test_a_peer_may_leave_at_any_time(path: str, end: Callable[[Peer], None]) -> None:
    async with listening(path) as (app, url):
        for phase in (_accepted, _within_a_frame, _within_a_message, _behind_a_ping, _while_we_wait_for_its_close):
            for event in (app.began, app.came, app.over):
                event.clear()
            peer = await Peer.connect(url)
            await phase(app, peer)
            protocol = PATHS[path].last
            end(peer)
            await app.over.wait()
            await protocol.gone.wait()
            assert protocol not in protocol.connections
        assert set(app.received) <= {b"a"}


@both_paths
@pytest.mark.parametrize("end", [lambda peer: peer.writer.close(), Peer.reset], ids=["EOF", "RST"])
async def test_a_peer_may_leave_before_it_is_accepted(path: str, end: Callable[[Peer], None]) -> None:
    """Whether the server knows it by then (the first time) or not yet (the second)."""
    app = Listening()
    gated = Gated(app)
    async with served(gated, ws=PATHS[path]) as url:
        for noticed in (True, False):
            gated.asked.clear()
            gated.gate.clear()
            peer = await Peer.ask(url)
            await gated.asked.wait()
            protocol = PATHS[path].last
            if noticed:
                end(peer)
                await protocol.gone.wait()
            gated.gate.set()
            if not noticed:
                protocol.transport.close()  # the server is told of it only after the application has run
            await protocol.gone.wait()
            while protocol.tasks:
                await asyncio.wait(set(protocol.tasks))
            assert protocol not in protocol.connections
            peer.writer.close()
    assert not app.received
    await app.close()


@both_paths
async def test_the_end_of_a_server_is_told(path: str) -> None:
    async with listening(path) as (app, url):
        peer = await Peer.connect(url)
        await app.began.wait()
    assert await peer.hear_all() == b"\x88\x02\x03\xf4"
    assert app.over.is_set()


@both_paths
async def test_the_end_of_a_server_has_nothing_to_add_to_a_close(path: str) -> None:
    PATHS[path].close_timeout = 1000.0
    try:
        async with listening(path) as (app, url):
            peer = await Peer.connect(url)
            await app.began.wait()
            app.end()
            assert await peer.hear(4) == b"\x88\x02\x03\xe8"
        assert await peer.hear_all() == b""
    finally:
        PATHS[path].close_timeout = 0.1


async def test_the_end_of_a_server_may_find_a_plain_connection_that_is_ending() -> None:
    async with listening("plain") as (app, url):
        peer = await Peer.connect(url)
        await app.began.wait()
        Plain.last.data_received(BYE)
        Plain.last.shutdown()
        assert await peer.hear_all() == BYE_ANSWERED
        await app.over.wait()


async def blocked(app: Listening, url: str) -> Peer:
    """A peer that does not read, with more buffered for it than the server likes."""
    peer = await Peer.connect(url)
    peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
    await app.began.wait()
    transport = Accelerated.last.transport
    while transport.get_write_buffer_size() <= LIMIT:
        app.write(b"x" * 60_000)
        await asyncio.sleep(0)
    return peer


async def test_the_socket_of_a_peer_that_does_not_read_our_close_is_cut_at_the_time_limit() -> None:
    """On the plain path it stays: uvicorn closes, and what is buffered keeps the socket open."""
    async with listening("accelerated") as (app, url):
        peer = await blocked(app, url)
        app.end()
        await app.clock.advance(app.connection.options.send_timeout + 2)  # type: ignore[attr-defined]
        await Accelerated.last.gone.wait()
        assert Accelerated.last.transport.get_write_buffer_size() == 0
        peer.reset()


async def test_a_peer_that_reads_again_gets_everything_once() -> None:
    async with listening("accelerated") as (app, url):
        peer = await blocked(app, url)
        for number in range(10):
            app.write(b"%d" % number * 10_000)
            await asyncio.sleep(0)
        outbox = app.connection.outbox  # type: ignore[attr-defined]
        assert outbox.queued_bytes >= 100_000
        peer.writer.transport.resume_reading()  # type: ignore[attr-defined]
        heard = bytearray()
        while not heard.endswith(b"9" * 10_000):
            heard += await peer.reader.read(1_000_000)
        for number in range(10):
            assert heard.count(b"%d" % number * 10_000) == 1
        assert outbox.queued_bytes == 0
        peer.say(BYE)
        assert await peer.hear_all() == BYE_ANSWERED
        await app.over.wait()


async def test_pings_of_a_peer_that_does_not_read_pile_up_no_pongs() -> None:
    async with listening("accelerated") as (app, url):
        peer = await blocked(app, url)
        before = Accelerated.last.transport.get_write_buffer_size()
        peer.say(*[frame(PING, b"x" * 125)] * 1000, frame(TEXT, b"done"))
        await app.came.wait()
        assert app.received == [b"done"]
        assert Accelerated.last.transport.get_write_buffer_size() <= before
        peer.reset()
        await app.over.wait()


async def test_a_peer_that_vanishes_without_reading_releases_who_waits_for_room() -> None:
    async with listening("accelerated") as (app, url):
        held = app.hold()
        peer = await blocked(app, url)
        peer.say(frame(TEXT, b"held"))
        await app.came.wait()
        draining = asyncio.ensure_future(app.connection.drain())
        peer.reset()
        await draining
        held.set_result(None)
        await app.over.wait()


# Hand-over


async def early(gated: Gated, url: str, path: str, *frames: bytes) -> Peer:
    """A peer that does not wait for the answer, and whose frames have been read before it is given."""
    peer = await Peer.ask(url)
    await gated.asked.wait()
    protocol = PATHS[path].last
    read = asyncio.Event()
    real = protocol.data_received

    def data_received(data: bytes) -> None:
        real(data)
        read.set()

    protocol.data_received = data_received  # type: ignore[method-assign]
    peer.say(*frames)
    await read.wait()
    del protocol.data_received
    gated.gate.set()
    await peer.answered()
    return peer


@both_paths
async def test_messages_that_came_before_the_answer_are_handled(path: str) -> None:
    app = Listening()
    gated = Gated(app)
    async with served(gated, ws=PATHS[path]) as url:
        peer = await early(gated, url, path, frame(TEXT, b"early"), frame(TEXT, b"l" * 5_000), frame(TEXT, b"m"))
        peer.say(frame(TEXT, b"late"), BYE)
        assert await peer.hear_all() == BYE_ANSWERED
        await app.over.wait()
        assert app.received == [b"early", b"l" * 5_000, b"m", b"late"]
    await app.close()


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        (frame(TEXT, b"a" * 20_000) + frame(PING, b"p") + BYE, b"\x8a\x01p" + BYE_ANSWERED),
        (frame(0x83, b"a") + b"\xff" * 5_000, b"\x88\x10\x03\xeainvalid opcode"),
    ],
    ids=["ping", "mistake"],
)
async def test_what_came_before_the_answer_is_answered_behind_it(said: bytes, heard: bytes) -> None:
    """On the plain path the pong is in front of the answer, and a mistake makes uvicorn fail."""
    app = Listening()
    gated = Gated(app)
    async with served(gated, ws=Accelerated) as url:
        peer = await early(gated, url, "accelerated", said)
        assert await peer.hear_all() == heard
        await app.over.wait()
    await app.close()


async def _echo(websocket: WebSocket) -> None:
    await websocket.accept(subprotocol="echo")
    async for text in websocket.iter_text():
        if text == "close":
            await websocket.close(4001, "why")
            return
        await websocket.send_text(text)


async def _deny(websocket: WebSocket) -> None:
    await websocket.send_denial_response(PlainTextResponse("not today", 418))


async def _refuse(websocket: WebSocket) -> None:
    await websocket.close()


def without_channels(endpoint: Callable[[WebSocket], Awaitable[None]]) -> Gated:
    """An application that knows nothing of channels."""
    return Gated(Starlette(routes=[WebSocketRoute("/", endpoint)]))


@both_paths
async def test_an_application_that_knows_nothing_of_channels_is_served_as_ever(path: str) -> None:
    gated = without_channels(_echo)
    async with served(gated, ws=PATHS[path]) as url:
        peer = await early(gated, url, path, frame(TEXT, b"early"))
        assert b"Sec-WebSocket-Protocol: echo\r\n" in peer.head
        assert await peer.hear(7) == b"\x81\x05early"
        peer.say(frame(TEXT - MORE, b"a"), frame(CONTINUATION, b"b"))
        assert await peer.hear(4) == b"\x81\x02ab"
        peer.say(frame(PING, b"p"))
        assert await peer.hear(3) == b"\x8a\x01p"
        peer.say(frame(TEXT, b"close"))
        assert await peer.hear(7) == b"\x88\x05\x0f\xa1why"
        peer.say(frame(0x88, b"\x0f\xa1"))
        assert await peer.hear_all() == b""


@both_paths
@pytest.mark.parametrize(
    ("endpoint", "head", "body"), [(_deny, b"HTTP/1.1 418 ", b"not today"), (_refuse, b"HTTP/1.1 403 ", b"")]
)
async def test_an_application_that_knows_nothing_of_channels_may_refuse(
    path: str, endpoint: Callable[[WebSocket], Awaitable[None]], head: bytes, body: bytes
) -> None:
    gated = without_channels(endpoint)
    async with served(gated, ws=PATHS[path]) as url:
        peer = await early(gated, url, path, frame(TEXT, b"early"))
        assert peer.head.startswith(head)
        assert await peer.hear_all() == body


async def test_compression_is_never_agreed_on() -> None:
    async with listening("accelerated", ws_per_message_deflate=True) as (app, url):
        peer = await Peer.connect(url, DEFLATE)
        assert b"xtensions" not in peer.head
        await app.began.wait()
        app.write(b"a" * 100)
        assert await peer.hear(102) == b"\x81\x64" + b"a" * 100
        peer.writer.close()


async def test_a_channel_that_was_taken_leaves_nothing_else_to_send() -> None:
    async with listening("accelerated") as (app, url):
        peer = await Peer.connect(url)
        await app.began.wait()
        with pytest.raises(RuntimeError, match=r"'websocket\.send' after the frame channel was taken"):
            await Accelerated.last._send({"type": "websocket.send", "text": "a"})
        peer.say(BYE)
        assert await peer.hear_all() == BYE_ANSWERED


@both_paths
async def test_on_a_unix_socket(path: str, tmp_path: Path) -> None:
    async with listening(path, uds=tmp_path / "socket") as (app, url):
        peer = await Peer.connect(url)
        peer.say(frame(TEXT, b"a"), frame(PING, b"p"), BYE)
        assert await peer.hear_all() == b"\x8a\x01p" + BYE_ANSWERED
        await app.over.wait()
        assert app.received == [b"a"]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for this machine, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    path.write_bytes(
        made.public_bytes(pem) + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


@both_paths
async def test_over_tls(path: str, certificate: Path) -> None:
    async with listening(path, ssl_certfile=certificate) as (app, url):
        assert url.startswith("https:")
        peer = await Peer.connect(url, ssl=trusting(certificate))
        await app.began.wait()
        app.write(b"y" * 70_000)
        assert await peer.hear(10 + 70_000) == b"\x81\x7f" + (70_000).to_bytes(8, "big") + b"y" * 70_000
        peer.say(frame(TEXT, b"x" * 100_000), BYE)
        assert await peer.hear_all() == BYE_ANSWERED
        await app.over.wait()
        assert b"".join(app.received) == b"x" * 100_000


APPLICATION = """
from hubline import Hub, HubApp

offered = []

class Chat(Hub):
    async def accelerated(self) -> bool:
        return offered == [True]

hubs = HubApp({"/": Chat})

async def app(scope, receive, send):
    if scope["type"] == "websocket":
        offered.append("hubline.frames" in scope["extensions"])
    await hubs(scope, receive, send)
"""


async def test_uvicorn_by_hand(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APPLICATION)
    command = (sys.executable, "-m", "uvicorn", "--port", "0")
    protocol = ("--ws", "hubline.servers.uvicorn:HubWebSocketProtocol", "app:app")
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    async with child_process(
        *command, *protocol, cwd=tmp_path, stderr=asyncio.subprocess.PIPE, env=environment
    ) as process:
        assert process.stderr is not None
        async with asyncio.timeout(60):
            line = b""
            while b"running on http" not in line:
                line = await process.stderr.readline()
                assert line, "it ended"
            peer = await Peer.connect(line.decode().partition(" on ")[2].split()[0])
            peer.say(
                frame(TEXT, b'{"protocol":"json","version":1}\x1e'),
                frame(TEXT, b'{"type":1,"invocationId":"1","target":"Accelerated","arguments":[]}\x1e'),
            )
            heard = b""
            while not heard.endswith(b"}\x1e") or b'"1"' not in heard:
                heard += await peer.reader.read(1000)
            assert b'"result":true' in heard
            peer.writer.close()
            process.terminate()
            await process.communicate()


# The request


async def _seen(path: str, request: bytes, *pieces: bytes) -> tuple[dict[str, Any], bytes]:
    """What the application and the client see of one upgrade, where that does not change from one to the next."""
    seen: dict[str, Any] = {}
    app = Listening()

    async def look(scope: Any, receive: Any, send: Any) -> None:
        seen.update(scope | {"extensions": sorted(scope["extensions"])})
        await app(scope, receive, send)

    async with served(look, ws=PATHS[path], root_path="/below", headers=[("x-ours", "a")]) as url:
        peer = await Peer.say_raw(url, request, *pieces)
        await peer.answered()
        peer.say(BYE)
        assert await peer.hear_all() in (BYE_ANSWERED, b"")
    await app.close()
    client, server = seen.pop("client"), seen.pop("server")
    assert (client[0], server[0]) == ("127.0.0.1", "127.0.0.1")
    extensions = set(seen.pop("extensions")) - {FRAMES, CLOSE}
    return seen | {"extensions": extensions}, re.sub(rb"date: [^\r]*", b"date: now", peer.head)


SUBPROTOCOLS = UPGRADE + b"Cookie: a=b; c\r\nSec-WebSocket-Protocol: a, b\r\n\r\n"


@pytest.mark.parametrize("pieces", [(), (UPGRADE[20:], b"\r\n")], ids=["at once", "in pieces"])
async def test_application_and_client_see_what_they_see_on_the_plain_path(pieces: tuple[bytes, ...]) -> None:
    first = UPGRADE[:20] if pieces else SUBPROTOCOLS
    plain = await _seen("plain", first, *pieces)
    assert await _seen("accelerated", first, *pieces) == plain
    assert plain[1].startswith(b"HTTP/1.1 101 ")
    assert b"x-ours: a\r\n" in plain[1]


@pytest.mark.parametrize(
    "wrong",
    [
        UPGRADE.replace(b"Version: 13", b"Version: 12"),
        UPGRADE.replace(b"AAAA==", b"AA=="),
        UPGRADE + b"Origin: http://x\r\nOrigin: http://y\r\n",
        UPGRADE + b"Sec-WebSocket-Protocol: a b\r\n",
        UPGRADE.replace(b"GET", b"POST"),
    ],
)
async def test_a_request_that_is_wrong_is_refused_as_on_the_plain_path(wrong: bytes) -> None:
    heard = {}
    for path in PATHS:
        async with listening(path) as (_, url):
            peer = await Peer.say_raw(url, wrong + b"\r\n")
            heard[path] = re.sub(rb"(?i)date: [^\r]*", b"", await peer.hear_all())
    assert heard["accelerated"] == heard["plain"]
    assert heard["plain"].startswith(b"HTTP/1.1 4")


async def _fails(scope: Any, receive: Any, send: Any) -> None:
    raise ValueError("mine")


async def _says_nothing(scope: Any, receive: Any, send: Any) -> None:
    await receive()


async def _asks_twice(scope: Any, receive: Any, send: Any) -> None:
    assert (await receive())["type"] == "websocket.connect"
    asked = asyncio.ensure_future(receive())
    await asyncio.sleep(0)
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": (await asked)["text"]})


async def _breaks_lines(scope: Any, receive: Any, send: Any) -> None:
    frame_channel(scope).take(FrameInput, FrameWriter)  # type: ignore[union-attr, arg-type]
    await send({"type": "websocket.accept", "headers": [(b"a", b"b\r\nc: d")]})


@pytest.mark.parametrize(
    ("app", "heard"),
    [
        (_fails, b"HTTP/1.1 500 Internal Server Error"),
        (_says_nothing, b"HTTP/1.1 500 Internal Server Error"),
        (_breaks_lines, b"HTTP/1.1 500 Internal Server Error"),
    ],
)
async def test_an_application_that_comes_to_no_answer_is_500(app: Any, heard: bytes) -> None:
    async with served(app, ws=Accelerated, log_level="critical") as url:
        peer = await Peer.ask(url)
        assert (await peer.hear_all()).startswith(heard)


@both_paths
async def test_an_application_may_ask_before_it_answers(path: str) -> None:
    async with served(_asks_twice, ws=PATHS[path]) as url:
        peer = await Peer.connect(url)
        peer.say(frame(TEXT, b"a"))
        assert await peer.hear(3) == b"\x81\x01a"
        peer.writer.close()


@both_paths
async def test_the_end_of_a_server_is_told_to_who_has_no_answer_yet(path: str) -> None:
    app = Listening()
    gated = Gated(app)
    async with served(gated, ws=PATHS[path]) as url:
        peer = await Peer.ask(url)
        await gated.asked.wait()
        PATHS[path].last.shutdown()
        gated.gate.set()
        assert (await peer.hear_all()).startswith(b"HTTP/1.1 500 ")
    assert not app.began.is_set()
    await app.close()


async def test_what_an_application_raises_behind_its_answer_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await Listening()(scope, receive, send)
        raise ValueError("mine")

    async with served(app, ws=Accelerated) as url:
        peer = await Peer.connect(url)
        peer.say(BYE)
        assert await peer.hear_all() == BYE_ANSWERED
        await until(lambda: bool(caplog.records))
    [record] = caplog.records
    assert record.getMessage() == "Exception in ASGI application\n"
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "mine"


async def test_there_is_nothing_to_receive_beside_a_channel() -> None:
    async with listening("accelerated") as (app, url):
        peer = await Peer.connect(url)
        await app.began.wait()
        with pytest.raises(RuntimeError, match="messages come through the frame channel"):
            await Accelerated.last._receive()
        peer.writer.close()
        await Accelerated.last.gone.wait()
        assert await Accelerated.last._receive() == {"type": "websocket.disconnect", "code": 1006}


# Memory


def alive() -> int:
    """What is kept of accelerated connections."""
    with contextlib.suppress(AttributeError):
        del Accelerated.last
    gc.collect()
    kept = (Channel, Accelerated, FrameInput, FrameWriter)
    return sum(isinstance(each, kept) for each in gc.get_objects())


async def test_nothing_is_kept_of_a_connection_that_has_ended() -> None:
    before = alive()
    async with listening("accelerated") as (app, url):
        tasks = len(asyncio.all_tasks())
        for said in (BYE, frame(TEXT, b"\xff"), frame(0x80), b""):
            app.over.clear()
            peer = await Peer.connect(url)
            peer.say(frame(TEXT, b"x" * 100_000), said)
            if not said:
                await app.came.wait()
                peer.reset()
            else:
                await peer.hear_all()
            await app.over.wait()
            await Accelerated.last.gone.wait()
        await until(lambda: len(asyncio.all_tasks()) == tasks + 1)  # the heartbeat
        await settle()  # callbacks of tasks that are done
        del app.connection
        assert alive() == before


class Chat(Hub):
    """Everything that a connection can have at its end."""

    async def on_connected(self) -> None:
        await self.groups.add(self.context.connection_id, "all")

    async def on_disconnected(self, error: Exception | None) -> None: ...

    async def echo(self, text: str) -> str:
        return text


@pytest.mark.parametrize("negotiated", [False, True], ids=["direct", "negotiated"])
async def test_a_connection_that_has_ended_is_freed_without_the_garbage_collector(negotiated: bool) -> None:
    hubs = HubApp({"/": Chat})
    kinds = (
        HttpProtocol,
        Parser,
        Channel,
        Accelerated,
        FrameInput,
        FrameWriter,
        Session,
        Outbox,
        HubConnectionContext,
        HubCallerContext,
    )

    async def once(url: str) -> None:
        query = b""
        if negotiated:
            async with httpx.AsyncClient(base_url=url, timeout=60) as http:
                query = b"?id=" + (await http.post("/negotiate?negotiateVersion=1")).json()["connectionToken"].encode()
        peer = await Peer.say_raw(url, UPGRADE.replace(b"GET /", b"GET /" + query) + b"\r\n")
        await peer.answered()
        peer.say(frame(TEXT, b'{"protocol":"json","version":1}\x1e'))
        assert await peer.hear(5) == b"\x81\x03{}\x1e"
        call = b'{"type":1,"invocationId":"1","target":"Echo","arguments":["a"]}\x1e'
        peer.say(frame(TEXT, call))
        assert (await peer.hear(2))[0] == TEXT
        peer.say(BYE)
        assert (await peer.hear_all()).endswith(BYE_ANSWERED)
        await Accelerated.last.gone.wait()
        await until(lambda: hubs.statistics()["transports"].connections == 0)
        await settle()
        del Accelerated.last

    async with served(hubs, ws=Accelerated, lifespan="on") as url:
        await once(url)
        gc.collect()
        before = sum(isinstance(each, kinds) for each in gc.get_objects())
        gc.disable()
        try:
            for _ in range(3):
                await once(url)
            assert sum(isinstance(each, kinds) for each in gc.get_objects()) == before
        finally:
            gc.enable()


@pytest.mark.statement(172, 182)
async def test_a_close_frame_ends_a_connection_that_a_lost_socket_does_not_end() -> None:
    hubs = HubApp({"/": Chat}, transport=TransportOptions(stateful_reconnect=True))
    query = "/negotiate?negotiateVersion=1&useStatefulReconnect=true"
    async with served(hubs, ws=Accelerated, lifespan="on") as url, httpx.AsyncClient(base_url=url, timeout=60) as http:
        path = b"GET /?id=" + (await http.post(query)).json()["connectionToken"].encode()

        async def another() -> Peer:
            peer = await Peer.say_raw(url, UPGRADE.replace(b"GET /", path) + b"\r\n")
            await peer.answered()
            return peer

        first = await another()
        first.say(frame(TEXT, b'{"protocol":"json","version":2}\x1e'))
        assert await first.hear(5) == b"\x81\x03{}\x1e"
        first.reset()
        await Accelerated.last.gone.wait()
        await settle()
        assert hubs.statistics()["transports"].connections == 1
        second = await another()
        assert await second.hear(28) == b'\x81\x1a{"type":9,"sequenceId":1}\x1e'
        second.say(BYE)
        assert await second.hear_all() == BYE_ANSWERED
        await until(lambda: hubs.statistics()["transports"].connections == 0)


async def test_the_memory_of_a_large_message_goes_with_its_parser() -> None:
    async with listening("accelerated") as (app, url):
        peer = await Peer.connect(url)
        await app.began.wait()
        message = frame(TEXT, b"x" * 1_000_000)
        peer.say(message, frame(PING))
        await peer.hear(2)
        peer.say(frame(TEXT, b"a"), BYE)
        assert await peer.hear_all() == BYE_ANSWERED
        await app.over.wait()
        assert b"".join(app.received) == b"x" * 1_000_000 + b"a"
        gc.collect()
        assert not [each for each in gc.get_objects() if isinstance(each, Parser) and each.grown]


async def test_tiny_messages_to_a_busy_application_wait_in_the_socket() -> None:
    async with listening("accelerated") as (app, url):
        held = app.hold()
        peer = await Peer.connect(url)
        peer.say(*[frame(TEXT, b"x")] * 20_000)
        await app.came.wait()
        backlog = app.connection.input._backlog  # type: ignore[attr-defined]
        assert len(backlog) <= READ_SIZE // 7
        held.set_result(None)
        peer.say(BYE)
        assert await peer.hear_all() == BYE_ANSWERED
        await app.over.wait()
        assert app.received == [b"x"] * 20_000


# Without the channel


@pytest.fixture
def unknown(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The answers of earlier probes are forgotten, before the test and after it."""
    caches = (accelerated.channel_class, accelerated.say_that_uvicorn_is_unknown)
    for each in caches:
        each.cache_clear()
    yield monkeypatch
    for each in caches:
        each.cache_clear()


def _no_picows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hubline.servers.channel", None)


def _another_picows(monkeypatch: pytest.MonkeyPatch) -> None:
    def probe() -> None:
        raise RuntimeError("it reads nothing")

    monkeypatch.setattr("hubline.servers.parser.probe", probe)


def _another_uvicorn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accelerated, "_KNOWN", ("connections", "teapot"))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (_no_picows, "picows cannot be used: ModuleNotFoundError("),
        (_another_picows, "picows cannot be used: RuntimeError('it reads nothing')"),
        (_another_uvicorn, "uvicorn's state has no 'teapot'"),
    ],
)
async def test_plain_asgi_serves_where_something_has_another_shape_and_the_log_says_it_once(
    change: Callable[[pytest.MonkeyPatch], None],
    text: str,
    unknown: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    change(unknown)
    with caplog.at_level(logging.WARNING, "hubline.server"):
        async with listening("accelerated") as (app, url):
            for _ in range(2):
                app.over.clear()
                peer = await Peer.connect(url)
                peer.say(frame(TEXT, b"a"), BYE)
                assert await peer.hear_all() == BYE_ANSWERED
                await app.over.wait()
                assert "hubline.frames" not in Plain.last.scope["extensions"]
            assert app.received == [b"a", b"a"]
    [message] = [record.getMessage() for record in caplog.records if record.name == "hubline.server"]
    assert message.startswith("WebSockets are not accelerated, because ")
    assert text in message


def test_acceleration_is_a_setting() -> None:
    assert configure(None).ws is HubWebSocketProtocol
    assert configure(None, accelerate=False).ws is WebSocketProtocol
