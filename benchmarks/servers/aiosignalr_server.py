"""aiosignalr as an ASGI application on uvicorn, with the settings it has by itself."""

import asyncio
from collections.abc import AsyncIterator

from aiosignalr.server import Hub, SignalRServer

from benchmarks.servers.serving import serve


class BenchHub(Hub):  # type: ignore[misc]
    """It finds methods by their names in lower case, so underscores would be part of what a client calls."""

    async def echotext(self, value: str) -> str:
        return value

    async def broadcast(self, messages: int, size: int) -> None:
        for _ in range(messages):
            await self.clients.all_.send("ReceiveMessage", "alice", "x" * size)

    async def broadcastapart(self, messages: int, size: int) -> None:
        for _ in range(messages):
            await self.clients.all_.send("ReceiveMessage", "alice", "x" * size)
            await asyncio.sleep(0)

    async def sendmessage(self, user: str, message: str) -> None:
        await self.clients.all_.send("ReceiveMessage", user, message)

    async def tokens(self, n: int, size: int) -> AsyncIterator[str]:
        for _ in range(n):
            yield "x" * size

    async def pacedtokens(self, n: int, size: int, every_ms: int) -> AsyncIterator[str]:
        loop = asyncio.get_running_loop()
        due = loop.time()
        for _ in range(n):
            due += every_ms / 1000
            await asyncio.sleep(max(0.0, due - loop.time()))
            yield "x" * size


if __name__ == "__main__":
    serve(SignalRServer(BenchHub).asgi_app(), lifespan="off")
