"""Serving an application on each ASGI server that is tested, so that SIGTERM drains its hubs first."""

import asyncio
import signal
import socket
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Any, TypeAlias

import uvloop

Drain: TypeAlias = Callable[[], Coroutine[Any, Any, None]]

IDLE = 60
"""Seconds after which a connection without a request is closed. Where these are five, as by default and as httpx has
them, a connection of a busy machine is closed while the next request is on its way."""


async def serve_accelerated(app: Any, drain: Drain, listener: socket.socket) -> None:
    await serve_uvicorn(app, drain, listener, ws="hubline.servers.uvicorn:HubWebSocketProtocol")


async def serve_uvicorn(app: Any, drain: Drain, listener: socket.socket, *, ws: str = "websockets-sansio") -> None:
    """As its users start it, with `--ws`. Of uvicorn's own, "sansio" alone can answer an upgrade with a body."""
    import uvicorn

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            self.should_exit = True  # uvicorn's own raises the signal again at the end, as if we had been killed

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            await drain()
            await super().shutdown(sockets)

    config = uvicorn.Config(
        app,
        ws=ws,
        ws_max_size=2 * 1024 * 1024,  # as the deployment guide has it
        ws_per_message_deflate=False,
        ws_ping_interval=None,  # hubs have their own pings
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=1,
        timeout_keep_alive=IDLE,
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
    config.keep_alive_timeout = IDLE
    config.loglevel = "WARNING"
    await serve(app, config, shutdown_trigger=drained)


SERVERS = {"accelerated": serve_accelerated, "uvicorn": serve_uvicorn, "hypercorn": serve_hypercorn}


def listen(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """A listening socket. It says that it is TCP: only then asyncio turns Nagle's algorithm off for what it accepts.

    With `shared`, the port may be reserved by a socket of the parent, which does not listen.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((host, port))
    listener.listen(2048)
    return listener


def serve(server: str, app: Any, drain: Drain, listener: socket.socket) -> None:
    """Until a signal comes: uvicorn on uvloop, its usual companion, and others on asyncio's own loop."""
    loop_factory = asyncio.new_event_loop if server == "hypercorn" else uvloop.new_event_loop
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(SERVERS[server](app, drain, listener))
