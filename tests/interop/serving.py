"""Serving an application on each ASGI server that is tested, so that SIGTERM drains its hubs first."""

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any, TypeAlias

Drain: TypeAlias = Callable[[], Awaitable[None]]


async def serve_uvicorn(app: Any, drain: Drain, listener: socket.socket) -> None:
    import uvicorn

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            self.should_exit = True  # uvicorn's own raises the signal again at the end, as if we had been killed

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            await drain()
            await super().shutdown(sockets)

    config = uvicorn.Config(
        app,
        ws="websockets-sansio",  # the only one of uvicorn's that can answer an upgrade with a body
        ws_max_size=16 * 1024 * 1024,  # the hub has a limit of its own, and tells the client
        ws_per_message_deflate=False,
        ws_ping_interval=None,  # hubs have their own pings
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=1,
    )
    await Server(config).serve([listener])


async def serve_hypercorn(app: Any, drain: Drain, listener: socket.socket) -> None:
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    asked = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)

    async def drained() -> None:
        await asked.wait()
        await drain()

    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.graceful_timeout = 1
    config.loglevel = "WARNING"
    await serve(app, config, shutdown_trigger=drained)


SERVERS = {"uvicorn": serve_uvicorn, "hypercorn": serve_hypercorn}
