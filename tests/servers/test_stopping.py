"""SIGTERM to each ASGI server as its users start it: how clients of each transport leave, and that the process ends."""

import asyncio
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.integration.lines import Ended, Endpoint, EventsLine, PollingLine, WebSocketLine, poll
from tests.processes import process_group, until_it_listens

APPLICATION = """
from contextlib import asynccontextmanager
from fastapi import FastAPI
from hubline import Hub, HubApp

class Chat(Hub):
    async def on_disconnected(self, error):
        print("on_disconnected\\n", end="", flush=True)

hubs = HubApp({"/chat": Chat})

@asynccontextmanager
async def lifespan(app):
    async with hubs.lifespan(app) as state:
        yield state
    print("cleaned up\\n", end="", flush=True)

app = FastAPI(lifespan=lifespan)

@app.middleware("http")
async def observe(request, call_next):
    print(f"asked {request.url.query}\\n", end="", flush=True)
    return await call_next(request)

app.mount("/", hubs)
"""

IGNORING = """
import asyncio
from hubline import ConnectionClosed, ConnectionRoute, Hub, HubApp

async def sleeps(connection):
    connection.write(b"began")
    while True:
        await asyncio.sleep(3600)

async def reads_on(connection):
    connection.write(b"began")
    while True:
        try:
            await connection.receive()
        except ConnectionClosed:
            pass

async def swallows(connection):
    connection.write(b"began")
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            pass

class Chat(Hub):
    async def on_connected(self):
        await self.clients.caller.send("Began")
        await asyncio.Event().wait()

routes = {"/" + each.__name__: ConnectionRoute(each) for each in (sleeps, reads_on, swallows)}
app = HubApp(routes | {"/on_connected": Chat}, drain_timeout=0.1)
"""

COMMANDS: dict[str, list[str]] = {
    "hubline": ["hubline.cli.main", "run", "app:app", "--port", "0"],
    "uvicorn": ["uvicorn", "app:app", "--port", "0"],
    "hypercorn": ["hypercorn", "app:app", "--bind", "127.0.0.1:0"],
    "hypercorn --workers 0": ["hypercorn", "app:app", "--bind", "127.0.0.1:0", "--workers", "0"],
    "granian": ["granian", "--interface", "asgi", "app:app"],
}
ADDRESS = re.compile(rb"(?:listens|[Rr]unning) on (http://127\.0\.0\.1:[0-9]+)")
"""The line after which a server is there. All but granian take a free port and name it."""
GRANIAN = re.compile(rb"Started worker-1")
"""The line of granian, which says nothing any more when it takes connections, a moment later."""

HEARD = [name for name in COMMANDS if name != "hypercorn"]
"""Servers on which an application hears the signal. hypercorn's usual worker gets none from its parent."""

HANDSHAKE = b'{"protocol":"json","version":1}\x1e'
GOODBYE = b'{"type":7,"allowReconnect":true}\x1e'

servers = pytest.mark.parametrize("server", COMMANDS)
hearing = pytest.mark.parametrize("server", HEARD)


class Process:
    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self._process, self.url = process, url
        assert process.stdout is not None
        self._output, self._log = process.stdout, b""

    async def reachable(self) -> None:
        """Until it serves. It is listened to, not knocked at all the while: that would take time from its start."""
        async for line in self._output:
            self._log += line
            if found := ADDRESS.search(line):
                self.url = found[1].decode()
            elif GRANIAN.search(line):
                await until_it_listens(int(self.url.rpartition(":")[2]), self._process)
            else:
                continue
            return
        raise AssertionError(await self.end())

    async def until(self, text: bytes) -> None:
        """Read the log to the line that has this in it."""
        async for line in self._output:
            self._log += line
            if text in line:
                return
        raise AssertionError(await self.end())

    def stop(self) -> None:
        self._process.terminate()

    async def end(self) -> str:
        """Its whole log."""
        log = (self._log + await self._output.read()).decode()
        assert await self._process.wait() in (0, -signal.SIGTERM)  # uvicorn raises the signal once more
        return log


@asynccontextmanager
async def started(
    server: str, directory: Path, application: str = APPLICATION, path: str = "/chat"
) -> AsyncIterator[tuple[Process, Endpoint]]:
    """A server, and the endpoint of its hub. Whatever hangs is killed after a minute."""
    (directory / "app.py").write_text(application)
    command, url = COMMANDS[server], ""
    with socket.socket() as reserved:
        if server == "granian":  # it does not tell a port that it has chosen
            reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # so that it can listen there beside us
            reserved.bind(("127.0.0.1", 0))
            port = reserved.getsockname()[1]
            command, url = [*command, "--port", str(port)], f"http://127.0.0.1:{port}"
        async with process_group(sys.executable, "-m", *command, directory=directory, limit=60) as process:
            running = Process(process, url)
            await running.reachable()
            async with Endpoint(running.url, path) as endpoint:
                yield running, endpoint


async def token(endpoint: Endpoint) -> str:
    return str((await endpoint.negotiate())["connectionToken"])


async def events(endpoint: Endpoint) -> EventsLine:
    return await EventsLine.open(endpoint, await token(endpoint))


async def ended(line: WebSocketLine) -> int | None:
    """Read to the end; its code."""
    try:
        while True:
            await line.receive()
    except Ended as end:
        return end.code


def check(log: str) -> None:
    assert "on_disconnected" in log  # granian logs to the same pipe, perhaps before the end of the line
    assert "cleaned up" in log
    assert "Traceback" not in log


@hearing
async def test_a_websocket_is_told_and_ends(server: str, tmp_path: Path) -> None:
    async with started(server, tmp_path) as (process, endpoint):
        line = await WebSocketLine.open(endpoint, None)
        await line.send(HANDSHAKE)
        assert await line.receive() == b"{}\x1e"
        process.stop()
        if server == "granian":  # drops WebSockets while it stops, often before our last words, and may panic then
            await ended(line)
            assert "on_disconnected" in await process.end()
            return
        assert await line.receive() == GOODBYE
        assert await ended(line) == 1000
        check(await process.end())


@hearing
async def test_an_event_stream_is_told_and_ends(server: str, tmp_path: Path) -> None:
    async with started(server, tmp_path) as (process, endpoint):
        line = await EventsLine.open(endpoint, await token(endpoint))
        await line.send(HANDSHAKE)
        while await line.receive() != b"{}\x1e":
            pass
        process.stop()
        assert await line.receive() == GOODBYE
        with pytest.raises(Ended):
            await line.receive()
        check(await process.end())


@hearing
async def test_a_poll_is_answered(server: str, tmp_path: Path) -> None:
    async with started(server, tmp_path) as (process, endpoint):
        id = await token(endpoint)
        line = await PollingLine.open(endpoint, id)
        await line.send(HANDSHAKE)
        assert await line.receive() == b"{}\x1e"
        endpoint.query = "waits=1"
        waiting = await poll(endpoint, id)
        await process.until(b"waits=1")  # uvicorn closes a connection whose request it has not read
        process.stop()
        answer = await waiting
        assert (answer.status_code, answer.content) == (200, GOODBYE)
        if server == "hubline":  # is still there for the last poll, and waits for it
            assert (await endpoint.request("GET", id)).status_code == 204
        check(await process.end())


@servers
async def test_who_is_between_two_polls_holds_nobody(server: str, tmp_path: Path) -> None:
    async with started(server, tmp_path) as (process, endpoint):
        line = await PollingLine.open(endpoint, await token(endpoint))
        await line.send(HANDSHAKE)
        assert await line.receive() == b"{}\x1e"
        process.stop()
        check(await process.end())


@hearing
@pytest.mark.parametrize("kind", ["websocket", "events"])
@pytest.mark.parametrize("what", ["sleeps", "reads_on", "swallows", "on_connected"])
async def test_who_goes_on_after_the_drain_time_is_named_and_ended(
    server: str, kind: str, what: str, tmp_path: Path
) -> None:
    async with started(server, tmp_path, IGNORING, f"/{what}") as (process, endpoint):
        line = await (WebSocketLine.open(endpoint, None) if kind == "websocket" else events(endpoint))
        if what == "on_connected":
            await line.send(HANDSHAKE)
        while b"began" not in (await line.receive()).lower():
            pass
        process.stop()
        log = await process.end()
        await line.close()
    (named,) = [entry for entry in log.splitlines() if "goes on though the connection has ended" in entry]
    assert what in named
    assert ("is abandoned" in log) is (what == "swallows")
    assert "Traceback" not in log


async def test_an_application_that_hears_nothing_ends_with_the_time_that_its_server_gives(tmp_path: Path) -> None:
    async with started("hypercorn", tmp_path) as (process, endpoint):
        line = await WebSocketLine.open(endpoint, None)
        await line.send(HANDSHAKE)
        assert await line.receive() == b"{}\x1e"
        process.stop()
        await ended(line)
        log = await process.end()
    assert "on_disconnected" in log  # granian logs to the same pipe, perhaps before the end of the line
    assert "cleaned up" in log


@servers
async def test_what_a_client_breaks_off_is_no_error_below_middleware(server: str, tmp_path: Path) -> None:
    async with started(server, tmp_path) as (process, endpoint):
        polled = await token(endpoint)
        line = await PollingLine.open(endpoint, polled)
        await line.send(HANDSHAKE)
        assert await line.receive() == b"{}\x1e"
        waiting = await poll(endpoint, polled)
        waiting.cancel()
        await asyncio.wait([waiting])
        events = await EventsLine.open(endpoint, await token(endpoint))
        await events.send(HANDSHAKE)
        await events.close()
        await line.close()
        process.stop()
        check(await process.end())
