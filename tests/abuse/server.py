"""The server under attack, as a process of its own: hubs behind what `hubline run` sets up, and a page of figures.

    python -m tests.abuse.server --path plain

Limits are the defaults. Only times are shorter, so that tests need not wait for them.
"""

import argparse
import asyncio
import gc
import os
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from hubline import ConnectionScope, Hub, HubApp, HubError, HubOptions, HubRoute, Identity, TransportOptions, authorize
from hubline._clock import MonotonicClock
from hubline.servers.protocols import HttpProtocol
from hubline.servers.uvicorn import serve
from hubline.transports import registry

PATHS = ("plain", "accelerated")
"""Ways of carrying WebSockets; every attack is made on each."""

SECRET = "secret detail"


class Hasty(HttpProtocol):
    head_timeout = 1.0
    body_grace = 1.0
    idle = 1

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.timeout_keep_alive = self.idle


class Attacked(Hub):
    """What a hub can do, for peers that mean ill."""

    async def on_connected(self) -> None:
        if "refuse" in self.context.scope.query:
            raise RuntimeError(SECRET)

    async def echo(self, value: Any) -> Any:
        return value

    async def connection_id(self) -> str:
        return self.context.connection_id

    async def number(self, value: int) -> int:
        return value

    async def count(self, n: int) -> AsyncIterator[int]:
        for number in range(n):
            yield number

    async def total(self, numbers: AsyncIterator[int]) -> int:
        return sum([number async for number in numbers])

    async def ask(self, connection_id: str) -> Any:
        return await self.clients.client(connection_id).invoke("Answer")

    async def throw(self) -> None:
        raise RuntimeError(SECRET)

    async def refuse(self) -> None:
        raise HubError("said on purpose") from RuntimeError(SECRET)

    async def unwritable(self) -> Any:
        return {SECRET: object()}

    async def broken_stream(self) -> AsyncIterator[int]:
        yield 1
        raise RuntimeError(SECRET)

    @authorize
    async def guarded(self) -> str:
        return SECRET


class Patient(Attacked):
    """With the times of the defaults, for peers that take theirs."""


class Calm(Hub):
    """Where the bystander is."""

    async def echo(self, value: Any) -> Any:
        return value


class StoppableClock(MonotonicClock):
    """The hubs' clock, which a test may stop: while it counts connections, none of them expires.

    What a client may take its time for over HTTP is an hour then. It goes on from where it stopped, so that nobody was
    silent for as long as that took.
    """

    def __init__(self) -> None:
        self._stopped: float | None = None
        self._behind = 0.0

    def now(self) -> float:
        return time.monotonic() - self._behind if self._stopped is None else self._stopped

    def stop(self, stopped: bool) -> None:
        now = self.now()
        self._behind, self._stopped = time.monotonic() - now, now if stopped else None
        Hasty.head_timeout = Hasty.body_grace = 3_600.0 if stopped else 1.0
        Hasty.idle = 3_600 if stopped else 1


def authenticate(scope: ConnectionScope) -> Identity | None:
    user = scope.query.get("user")
    return Identity(user) if user else None


transport = TransportOptions(disconnect_timeout=3.0, maximum_waiting=1_000, waiting_per_address=100)
"""With caps on negotiations, as the guide advises on the open internet: there are none by address unless set."""
UNHURRIED = HubOptions(keep_alive_interval=60.0, client_timeout=120.0)
"""For peers that send no pings and expect none among their messages, though a busy machine takes its time."""
clock = StoppableClock()
hubs = HubApp(
    {
        "/hub": Attacked,
        "/own": HubRoute(Attacked, transport=replace(transport, same_user=True)),
        "/patient": HubRoute(Patient, options=UNHURRIED, transport=TransportOptions()),
        "/calm": Calm,
    },
    options=replace(UNHURRIED, handshake_timeout=3.0),
    transport=transport,
    authenticate=authenticate,
    drain_timeout=1.0,
    clock=clock,
)


def resident() -> int:
    """Bytes of memory in use."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def figures(request: Request) -> Response:
    """What the process holds: bytes of memory, descriptors, tasks, connections and what is queued for them."""
    gc.collect()
    transports = hubs.statistics()["transports"]
    return JSONResponse(
        {
            "memory": resident(),
            "descriptors": len(os.listdir("/proc/self/fd")),
            "tasks": len(asyncio.all_tasks()),
            "connections": transports.connections,
            "waiting": transports.waiting,
            "queued": transports.queued_bytes,
            "unread": transports.unread_bytes,
        }
    )


async def time_stops(request: Request) -> Response:
    """Stop the hubs' clock, or let it go on."""
    clock.stop(request.query_params["stopped"] == "true")
    return Response()


async def broadcast(request: Request) -> Response:
    """Send to everybody on the attacked hub; others have their turn in between."""
    number, size = int(request.query_params["number"]), int(request.query_params["size"])
    everybody = hubs.context(Attacked).clients.all
    for _ in range(number):
        await everybody.send("Receive", "x" * size)
        await asyncio.sleep(0)
    return Response()


app = Starlette(
    routes=[
        Route("/figures", figures),
        Route("/broadcast", broadcast, methods=["POST"]),
        Route("/time", time_stops, methods=["POST"]),
        Mount("/", hubs),
    ],
    lifespan=hubs.lifespan,
)


def main() -> None:
    parser = argparse.ArgumentParser(description="The server under attack.")
    parser.add_argument("--path", choices=PATHS, required=True)
    path = parser.parse_args().path
    registry.HEARTBEAT = 0.1
    gc.collect()
    gc.freeze()  # what is here before any attack need not be gone through for every page of figures
    asyncio.run(
        serve(
            app,
            port=0,
            log_level="warning",
            access_log=False,
            drain_timeout=2.0,
            ready=lambda url: print(f"listening on {url}", flush=True),
            http=Hasty,
            accelerate=path == "accelerated",
        )
    )


if __name__ == "__main__":
    main()
