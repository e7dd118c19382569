"""A client that stops reading, over real sockets: it costs a bounded amount of memory, is let go, and delays nobody."""

import asyncio
import base64
import json
import os
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect

from hubline import Hub, HubApp, SlowConsumerError, TransportOptions
from hubline._tasks import TaskOwner
from hubline.servers.uvicorn import Server, bind, configure

HANDSHAKE = '{"protocol":"json","version":1}\x1e'
CAPACITY = 256 * 1024
TEXT = "x" * 20_000
SLOW = 5
BROADCASTS = 1_500
"""30 MB for each client: far more than what outbox, server and kernel may hold together."""


class Quiet(Hub):
    def __init__(self, connected: asyncio.Semaphore, gone: asyncio.Queue[Exception | None]) -> None:
        self.connected, self.gone = connected, gone

    async def on_connected(self) -> None:
        self.connected.release()

    async def on_disconnected(self, error: Exception | None) -> None:
        self.gone.put_nowait(error)


@asynccontextmanager
async def served(hubs: HubApp) -> AsyncIterator[str]:
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    config = configure(hubs, port=0, log_config=None, access_log=False)
    server = Server(config, drain_timeout=1.0, ready=ready.set_result)
    running = TaskOwner("test").start(server.serve(bind("127.0.0.1", 0)))
    try:
        yield await ready
    finally:
        server.should_exit = True
        await running


async def negotiated(http: httpx.AsyncClient) -> str:
    answer = await http.post("/quiet/negotiate?negotiateVersion=1")
    return str(answer.json()["connectionToken"])


def request(url: str, head: str, sockets: AsyncExitStack) -> socket.socket:
    """Send the head of a request on a socket with a small buffer, which nobody reads from then on."""
    sock = sockets.enter_context(socket.socket())
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    host, _, port = url.removeprefix("http://").partition(":")
    sock.connect((host, int(port)))
    sock.sendall(f"{head}\r\nHost: {host}:{port}\r\n".encode())
    return sock


async def stop_reading(url: str, http: httpx.AsyncClient, transport: str, sockets: AsyncExitStack) -> None:
    """Connect, shake hands, and never read again."""
    token = await negotiated(http)
    if transport == "websocket":
        key = base64.b64encode(os.urandom(16)).decode()
        sock = request(url, f"GET /quiet?id={token} HTTP/1.1", sockets)
        upgrade = f"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}"
        sock.sendall(f"{upgrade}\r\n\r\n".encode())
        await asyncio.get_running_loop().run_in_executor(None, sock.recv, 12)  # `HTTP/1.1 101`, and nothing more
        sock.sendall(bytes([0x81, 0x80 | len(HANDSHAKE), 0, 0, 0, 0]) + HANDSHAKE.encode())
        return
    if transport == "sse":
        sock = request(url, f"GET /quiet?id={token} HTTP/1.1", sockets)
        sock.sendall(b"Accept: text/event-stream\r\n\r\n")
        await asyncio.get_running_loop().run_in_executor(None, sock.recv, 12)
    else:
        await http.get(f"/quiet?id={token}")
    await http.post(f"/quiet?id={token}", content=HANDSHAKE)


def resident() -> int:
    """Bytes of memory that this process, which is server and clients at once, has in use."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("transport", ["websocket", "sse", "long_polling"])
async def test_a_client_that_stops_reading_is_let_go_and_delays_nobody(transport: str) -> None:
    connected = asyncio.Semaphore(0)
    gone: asyncio.Queue[Exception | None] = asyncio.Queue()
    hubs = HubApp({"/quiet": lambda: Quiet(connected, gone)}, transport=TransportOptions(outbox_capacity=CAPACITY))
    everybody = hubs.context(Quiet).clients.all
    highest = 0
    async with asyncio.timeout(60), AsyncExitStack() as stack:
        url = await stack.enter_async_context(served(hubs))
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=60))
        for _ in range(SLOW):
            await stop_reading(url, http, transport, stack)
        async with connect(
            f"{url.replace('http', 'ws')}/quiet", compression=None, max_size=None, open_timeout=60
        ) as bystander:
            await bystander.send(HANDSHAKE)
            assert await bystander.recv() == "{}\x1e"
            for _ in range(SLOW + 1):
                await connected.acquire()
            before = resident()
            for number in range(BROADCASTS):
                await everybody.send("Receive", number, TEXT)
                message = await bystander.recv()
                assert json.loads(message[:-1])["arguments"][0] == number
                highest = max(highest, hubs.statistics()["transports"].queued_bytes)
            assert resident() - before < 40 * 2**20
            assert highest <= (SLOW + 1) * (CAPACITY + len(TEXT) + 100)
            for _ in range(SLOW):
                assert isinstance(await gone.get(), SlowConsumerError)
            await everybody.send("Receive", "still here")
            assert json.loads((await bystander.recv())[:-1])["arguments"] == ["still here"]
            (hub,) = hubs.statistics()["hubs"].values()
            assert hub["connections"] == 1
