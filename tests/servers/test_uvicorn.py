import asyncio
import logging
import signal
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from hubline._tasks import TaskOwner
from hubline.errors import ConfigurationError
from hubline.extensions import DRAIN
from hubline.nodes.tokens import Secrets
from hubline.servers import uvicorn as hubline_uvicorn
from hubline.servers.uvicorn import SecretFilter, Server, bind, configure, redact_secrets, redacted, serve
from tests.servers.raw_client import RawWebSocket
from tests.valkey import until

Drain = Callable[[], Awaitable[None]]


class Application:
    """Accepts WebSockets and holds them until it is drained; a request to /open never ends."""

    def __init__(self, *drains: Drain) -> None:
        self.drains = [*drains, self.drain]
        self.draining = asyncio.Event()
        self.steps: list[str] = []

    async def drain(self) -> None:
        self.steps.append("drain")
        self.draining.set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            scope["state"][DRAIN] = self.drains
            await send({"type": "lifespan.startup.complete"})
            await receive()
            self.steps.append("shutdown")
            await send({"type": "lifespan.shutdown.complete"})
        elif scope["type"] == "websocket" and scope["path"] == "/denied":
            await send({"type": "websocket.http.response.start", "status": 404, "headers": []})
            await send({"type": "websocket.http.response.body", "body": b"nothing here"})
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.send", "text": "welcome"})
            await self.draining.wait()
            await send({"type": "websocket.send", "text": "bye"})
            await send({"type": "websocket.close"})
        else:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"open", "more_body": True})
            await asyncio.Event().wait()


@asynccontextmanager
async def served(app: Any, *, log_level: str = "info", **settings: Any) -> AsyncIterator[tuple[Server, str]]:
    """A server on a free port; leaving it stops the server and waits for its end."""
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    config = configure(app, port=0, log_config=None, log_level=log_level)
    server = Server(config, ready=ready.set_result, **settings)
    owner = TaskOwner("test")
    running = owner.start(server.serve(bind("127.0.0.1", 0)))
    async with asyncio.timeout(60):
        yield server, await ready
        server.handle_exit(signal.SIGTERM, None)
        await running


async def test_clients_are_drained_before_sockets_are_closed() -> None:
    app = Application()
    async with served(app) as (_, url):
        client = await RawWebSocket.open(url, "/hub")
        assert client.status == 101
        owner = TaskOwner("test")
        messages = owner.start(client.messages())
    assert await messages == ["welcome", "bye", "close 1000"]
    assert app.steps == ["drain", "shutdown"]


async def has_accepted(server: Server) -> bool:
    return bool(server.server_state.connections)


async def accepts_nothing_more(server: Server) -> bool:
    return not server.servers[0].is_serving()


async def test_who_hands_over_waits_for_the_first_request_of_whom_it_has_accepted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hubline_uvicorn, "LAST_REQUESTS", 0.0)
    monkeypatch.setattr(hubline_uvicorn, "FIRST_REQUESTS", 60.0)
    app = Application()
    async with served(app) as (server, url):
        host, _, port = url.removeprefix("http://").rpartition(":")
        client = RawWebSocket(*await asyncio.open_connection(host, int(port)))
        await until(lambda: has_accepted(server))
        server.hand_over()
        await until(lambda: accepts_nothing_more(server))
        for _ in range(50):  # a server that does not wait has closed it by now
            await asyncio.sleep(0)
        assert app.steps == []
        await client.upgrade(host, "/hub")
        assert client.status == 101
        assert await client.messages() == ["welcome", "bye", "close 1000"]
        assert app.steps[0] == "drain"


async def test_who_hands_over_does_not_wait_for_ever_for_a_connection_that_says_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hubline_uvicorn, "LAST_REQUESTS", 0.0)
    monkeypatch.setattr(hubline_uvicorn, "FIRST_REQUESTS", 0.01)
    async with served(Application()) as (server, url):
        host, _, port = url.removeprefix("http://").rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        await until(lambda: has_accepted(server))
        server.hand_over()
        assert await reader.read() == b""
        writer.close()


async def test_what_is_left_when_the_time_is_up_is_closed_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    app = Application()
    app.drains = [asyncio.Event().wait]  # type: ignore[list-item]
    async with served(app, drain_timeout=0.01) as (_, url):
        client = await RawWebSocket.open(url, "/hub")
        owner = TaskOwner("test")
        messages = owner.start(client.messages())
    assert await messages == ["welcome", "close 1012"]
    assert "draining took longer than 0.01 s, closing what is left" in caplog.messages


async def test_a_second_signal_ends_the_draining_at_once() -> None:
    reached = asyncio.Event()

    async def endless() -> None:
        reached.set()
        await asyncio.Event().wait()

    app = Application(endless)
    async with served(app, drain_timeout=1000) as (server, _):
        server.handle_exit(signal.SIGTERM, None)
        await reached.wait()
    assert server.force_exit
    assert app.steps == ["drain"]


async def test_it_says_that_it_lives_while_it_serves_and_while_it_drains() -> None:
    alive, again = asyncio.Event(), asyncio.Event()

    async def draining() -> None:
        alive.clear()
        await alive.wait()
        again.set()

    async with served(Application(draining), alive=alive.set):
        await alive.wait()
    assert again.is_set()


async def test_a_drain_function_that_fails_stops_neither_the_others_nor_the_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def failing() -> None:
        raise ValueError("broken")

    app = Application(failing)
    async with served(app):
        pass
    assert app.steps == ["drain", "shutdown"]
    assert any("broken" in message for message in caplog.messages)


async def test_an_application_without_drain_functions_just_stops() -> None:
    app = Application()
    app.drains = []
    async with served(app):
        pass
    assert app.steps == ["shutdown"]


async def test_a_stop_that_another_thread_asks_for_is_noticed_without_a_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hubline.servers.uvicorn.TICK", 1_000.0)
    app = Application()
    async with served(app) as (server, _):
        thread = threading.Thread(target=setattr, args=(server, "should_exit", True))
        thread.start()
        thread.join()
        await app.draining.wait()
        assert server.should_exit


async def test_a_tick_renews_the_date_of_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hubline.servers.uvicorn.TICK", 0.001)
    async with served(Application()) as (server, _):
        server.server_state.default_headers = []
        while not server.server_state.default_headers:  # noqa: ASYNC110  # nothing of this sets an event
            await asyncio.sleep(0)
        assert server.server_state.default_headers[0][0] == b"date"


async def test_a_response_that_never_ends_does_not_hold_the_end_for_long() -> None:
    app = Application()
    async with served(app) as (_, url):
        host, _, port = url.removeprefix("http://").rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /open HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"open")
    assert app.steps == ["drain", "shutdown"]
    writer.close()


async def test_websockets_are_denied_with_status_and_text() -> None:
    async with served(Application()) as (_, url):
        client = await RawWebSocket.open(url, "/denied")
        assert client.status == 404
        client.close()


async def test_no_websocket_extension_is_negotiated() -> None:
    async with served(Application()) as (_, url):
        client = await RawWebSocket.open(url, "/hub", "Sec-WebSocket-Extensions: permessage-deflate")
        assert client.status == 101
        assert not any(line.startswith("sec-websocket-extensions") for line in client.headers)
        client.close()


@pytest.mark.statement(52)
def test_the_server_originates_no_websocket_pings() -> None:
    config = configure(Application(), log_config=None)
    assert config.ws_ping_interval is None


async def test_serve_tells_a_port_that_is_in_use_before_it_starts_the_application() -> None:
    app = Application()
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        await serve(app, "127.0.0.1", taken.getsockname()[1], log_config=None)
    assert app.steps == []


async def test_serve_runs_until_a_signal_comes() -> None:
    app = Application()
    urls: list[str] = []

    def stop(url: str) -> None:
        urls.append(url)
        signal.raise_signal(signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    await serve(app, "127.0.0.1", 0, ready=stop, log_config=None)
    assert urls[0].startswith("http://127.0.0.1:")
    assert app.steps == ["drain", "shutdown"]
    assert signal.getsignal(signal.SIGTERM) is before


def test_all_addresses_of_a_name_are_bound_on_one_port() -> None:
    sockets = bind("localhost", 0)
    try:
        assert len({sock.getsockname()[1] for sock in sockets}) == 1
    finally:
        for sock in sockets:
            sock.close()


def test_an_address_that_is_not_ours_is_an_error() -> None:
    with pytest.raises(OSError, match="Cannot assign requested address"):
        bind("192.0.2.1", 0)


TOKEN = "Zm9vYmFyYmF6cXV4MTIzNA"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/hub?access_token=abc.def", "/hub?access_token=[redacted]"),
        ("/hub?a=1&access_token=abc&b=2", "/hub?a=1&access_token=[redacted]&b=2"),
        ("/hub?ACCESS_token=abc", "/hub?ACCESS_token=[redacted]"),
        ("/hub?access%5Ftoken=abc", "/hub?access%5Ftoken=[redacted]"),
        (f"/hub?id={TOKEN}&x=1", "/hub?id=[redacted]&x=1"),
        ("/items?id=42", "/items?id=42"),
        ("/items?id=6a1b4c1e-8a59-4f7e-9d3b-3f1f5c3f1a55", "/items?id=6a1b4c1e-8a59-4f7e-9d3b-3f1f5c3f1a55"),
        ("/hub?token=abc", "/hub?token=abc"),
        ("Bearer abc.def", "Bearer [redacted]"),
        ("/access_token=abc", "/access_token=abc"),
    ],
)
def test_secrets_are_blotted_out(text: str, shown: str) -> None:
    assert redacted(text) == shown


@pytest.mark.parametrize("address", ["unix:a", "tcp://a.example.com:7000"])
def test_tokens_that_name_their_server_are_blotted_out(address: str) -> None:
    token = Secrets(["a secret of at least 32 characters"]).token(address)
    assert redacted(f"/hub?id={token}&x=1") == "/hub?id=[redacted]&x=1"


def test_log_records_are_blotted_out_once_per_logger() -> None:
    redact_secrets()
    redact_secrets()
    target = logging.getLogger("uvicorn.access")
    assert sum(isinstance(found, SecretFilter) for found in target.filters) == 1
    record = target.makeRecord(
        target.name, logging.INFO, __file__, 1, '%s - "%s" %d', ("1.2.3.4:5", "/h?access_token=s", 200), None
    )
    assert target.filter(record)
    assert record.getMessage() == '1.2.3.4:5 - "/h?access_token=[redacted]" 200'


async def test_the_log_of_a_websocket_holds_no_token(caplog: pytest.LogCaptureFixture) -> None:
    async with served(Application(), log_level="debug") as (_, url):
        client = await RawWebSocket.open(url, "/hub?access_token=secret", "Authorization: Bearer secret")
        await client.frame()
        client.close()
    assert any("access_token=[redacted]" in message for message in caplog.messages)
    assert any("authorization: bearer [redacted]" in message.lower() for message in caplog.messages)
    assert not any("secret" in message for message in caplog.messages)


@pytest.mark.parametrize("seconds", [-1, "15", True, None, float("nan"), float("inf")])
def test_a_drain_time_that_is_none_is_refused(seconds: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"Server\.drain_timeout must be a"):
        Server(configure(None, log_config=None), drain_timeout=seconds)


@pytest.mark.parametrize("size", [0, -1, 1.5, "2", True, None])
def test_a_size_that_is_none_is_refused(size: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"configure\.max_size must be a whole number greater than 0"):
        configure(None, max_size=size)
