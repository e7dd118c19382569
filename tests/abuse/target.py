"""Raw sockets to the server under attack, what it holds, and a bystander that must not notice anything."""

import asyncio
import os
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import httpx

from hubline._tasks import TaskOwner
from tests.integration.driver import WEB_SOCKETS, Peer, Way, call, done
from tests.integration.lines import Endpoint, WebSocketLine

HANDSHAKE = b'{"protocol":"json","version":1}\x1e'
PATIENCE = 60.0
"""Seconds after which something will not come any more."""

SLOWEST = 30.0
"""Seconds that a bystander's call may take at most: not a measurement, but the border to "hangs"."""

PAUSE = 0.01
"""Seconds between two questions of those who ask again and again: without it they are the load, not the attack."""

MIB = 2**20


@dataclass(frozen=True)
class Figures:
    memory: int
    descriptors: int
    tasks: int
    connections: int
    waiting: int
    queued: int
    unread: int


class Target:
    """The server under attack, seen from the outside."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.host, _, port = url.removeprefix("http://").rpartition(":")
        self.port = int(port)
        self.http = httpx.AsyncClient(base_url=url, timeout=PATIENCE, trust_env=False, verify=False)

    async def figures(self) -> Figures:
        return Figures(**(await self.http.get("/figures")).json())

    async def until(self, check: Callable[[Figures], bool]) -> Figures:
        """Ask for figures until they are as wanted."""
        async with asyncio.timeout(PATIENCE):
            while not check(found := await self.figures()):  # noqa: ASYNC110 - the server tells nobody
                await asyncio.sleep(PAUSE)
        return found

    async def negotiate(self, query: str = "") -> dict[str, Any]:
        response = await self.http.post(f"/hub/negotiate?negotiateVersion=1{query}")
        found: dict[str, Any] = response.raise_for_status().json()
        return found

    async def token(self, query: str = "") -> str:
        return str((await self.negotiate(query))["connectionToken"])

    @asynccontextmanager
    async def time_stops(self) -> AsyncIterator[None]:
        """Nothing expires meanwhile, neither what the hubs know nor a request, however slow the machine is."""
        (await self.http.post("/time", params={"stopped": "true"})).raise_for_status()
        try:
            yield
        finally:
            (await self.http.post("/time", params={"stopped": "false"})).raise_for_status()

    async def broadcast(self, number: int, size: int) -> None:
        (await self.http.post("/broadcast", params={"number": number, "size": size}, timeout=120)).raise_for_status()

    @asynccontextmanager
    async def socket(
        self, data: bytes = b"", *, receive_buffer: int | None = None, address: str = ""
    ) -> AsyncIterator["Socket"]:
        """A TCP connection on which `data` has been sent, from another address of this machine if one is given."""
        sock = socket.socket()
        if address:
            sock.bind((address, 0))
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, (self.host, self.port))
        try:
            opened = Socket(sock)
            await opened.send(data)
            yield opened
        finally:
            sock.close()

    @asynccontextmanager
    async def websocket(self, query: str = "", data: bytes = b"", **more: Any) -> AsyncIterator["Socket"]:
        """A WebSocket of which only the upgrade has been made, and `data` sent."""
        async with self.socket(upgrade(f"/hub{query}"), **more) as opened:
            head = await opened.receive_until(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 101 "), head
            await opened.send(data)
            yield opened


class Socket:
    """One TCP connection, used at will."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket, self._loop = sock, asyncio.get_running_loop()

    async def send(self, data: bytes) -> None:
        """Raises ConnectionError when the server has closed."""
        async with asyncio.timeout(PATIENCE):
            await self._loop.sock_sendall(self._socket, data)

    async def receive_until(self, end: bytes) -> bytes:
        found = b""
        async with asyncio.timeout(PATIENCE):
            while not found.endswith(end):
                piece = await self._loop.sock_recv(self._socket, 1 if end == b"\r\n\r\n" else 65_536)
                assert piece, f"closed after {found!r}"
                found += piece
        return found

    async def receive(self) -> bytes:
        """The next bytes; empty when the server has closed."""
        async with asyncio.timeout(PATIENCE):
            try:
                return await self._loop.sock_recv(self._socket, 65_536)
            except ConnectionError:
                return b""

    async def rest(self) -> bytes:
        """Everything until the server closes."""
        found = b""
        while piece := await self.receive():
            found += piece
        return found

    async def exchange(self, data: bytes) -> bytes:
        """Send and return everything until the server closes, which it may do before it has read all."""
        with suppress(ConnectionError):
            await self.send(data)
        return await self.rest()

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()


def request(method: str, path: str, *headers: str, body: bytes = b"") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *headers, "", ""]).encode("latin-1") + body


def upgrade(path: str, *headers: str) -> bytes:
    key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
    fixed = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", key)
    return request("GET", path, *fixed, *headers)


class Bystander:
    """Calls `Echo` on a connection of its own, one call after the other, and notes how long the slowest took."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self.calls, self.slowest = 0, 0.0
        self.took: list[float] = []
        """Seconds of each call; a test may clear it."""
        self.pause = PAUSE
        """Seconds between two calls while nobody waits for one; a test that measures may want more of them."""
        self._answered = asyncio.Event()
        self._wanted = asyncio.Event()
        self._turns = 0

    async def run(self) -> None:
        while True:
            began = time.monotonic()
            text = os.urandom(4).hex()
            await self._peer.send(call(text, "Echo", text))
            while (answer := await self._peer.receive()) == {"type": 6}:  # it may be here for longer than 15 s
                pass
            assert answer == done(text, result=text)
            self.took.append(time.monotonic() - began)
            self.slowest = max(self.slowest, self.took[-1])
            self.calls += 1
            self._answered.set()
            with suppress(TimeoutError):
                async with asyncio.timeout(self.pause):
                    await self._wanted.wait()

    async def turn(self) -> None:
        """Until a call has been made and answered from now on. So the server has read what was sent to it before."""
        self._turns += 1
        self._wanted.set()
        try:
            async with asyncio.timeout(PATIENCE):
                for _ in range(2):  # the first may have been under way
                    self._answered.clear()
                    await self._answered.wait()
        finally:
            self._turns -= 1
            if not self._turns:
                self._wanted.clear()


@asynccontextmanager
async def bystander(url: str) -> AsyncIterator[Bystander]:
    """A bystander at work; leaving checks that every call was answered in time, and that there were some."""
    async with Endpoint(url, "/calm") as endpoint:
        line = await WebSocketLine.open(endpoint, None)
        peer = Peer(Way(WEB_SOCKETS, "json"), endpoint, line, "", "")
        await peer.shake_hands()
        found = Bystander(peer)
        working = TaskOwner("bystander").start(found.run())
        try:
            yield found
            assert not working.done(), working.exception()
            await found.turn()
        finally:
            working.cancel()
            await asyncio.wait([working])
            await line.close()
    assert found.slowest < SLOWEST, f"the slowest of {found.calls} calls took {found.slowest:.1f} s"
