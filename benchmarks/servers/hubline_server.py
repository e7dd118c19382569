"""Hubline as `hubline run` serves it, with `--no-accelerate` as any ASGI server would."""

import argparse
import asyncio
import inspect
import os
import time
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from hubline import Hub, HubApp, TransportOptions
from hubline.servers.garbage import collect_rarely
from hubline.servers.uvicorn import configure, serve

ENDLESS = 2**31


async def write_tokens(run: Any, n: int, size: int, every_ms: int) -> None:
    text, loop = "x" * size, asyncio.get_running_loop()
    due = loop.time()
    for _ in range(n):
        due += every_ms / 1000
        await asyncio.sleep(max(0.0, due - loop.time()))
        await run.text(text)


async def write_times(run: Any, n: int, every_ms: int) -> None:
    for _ in range(n):
        await run.text(f"{time.monotonic()} ")
        await asyncio.sleep(every_ms / 1000)


def _with_runs() -> Any:
    """The base of a hub with runs and rooms; a checkout from before there were any has none."""
    try:
        from hubline.runs import RunLimits, Runs, RunsHub
    except ModuleNotFoundError:
        return Hub

    class WithRuns(RunsHub, runs=Runs(limits=RunLimits(text=ENDLESS), keep=1)):
        async def start_tokens(self, n: int, size: int, every_ms: int) -> str:
            return (await self.runs.start(write_tokens, n, size, every_ms)).id

        async def start_clock(self, n: int, every_ms: int) -> str:
            return (await self.runs.start(write_times, n, every_ms)).id

    try:
        from hubline.rooms import Rooms, RoomsHub, anyone
    except ModuleNotFoundError:
        return WithRuns

    class WithRooms(WithRuns, RoomsHub, rooms=Rooms(anyone)):
        pass

    return WithRooms


class BenchHub(_with_runs()):  # type: ignore[misc]  # which of two classes is known at run time
    """The methods of the contract server that the rows need, and broadcasts apart from each other."""

    async def echo_text(self, value: str) -> str:
        return value

    async def echo_date(self, value: datetime) -> datetime:
        return value

    async def broadcast(self, messages: int, size: int) -> None:
        for _ in range(messages):
            await self.clients.all.send("ReceiveMessage", "alice", "x" * size)

    async def broadcast_apart(self, messages: int, size: int) -> None:
        for _ in range(messages):
            await self.clients.all.send("ReceiveMessage", "alice", "x" * size)
            await asyncio.sleep(0)

    async def send_message(self, user: str, message: str) -> None:
        await self.clients.all.send("ReceiveMessage", user, message)

    async def connection_id(self) -> str:
        return str(self.context.connection_id)

    async def process_id(self) -> int:
        return os.getpid()

    async def ask_client(self, connection_id: str, value: int) -> int:
        doubled: int = await self.clients.client(connection_id).invoke("Double", value, result_type=int)
        return doubled

    async def gaps(self) -> list[float]:
        """The number of gaps, and their seconds, in which messages of other servers may have been lost."""
        found = serving[0].statistics()["backplane"]
        return [found["gaps"], found["gap_seconds"]]

    async def join(self, group: str) -> None:
        await self.groups.add(self.context.connection_id, group)

    async def to_group(self, group: str, message: str) -> None:
        await self.clients.group(group).send("ReceiveMessage", group, message)

    async def tokens(self, n: int, size: int) -> AsyncIterator[str]:
        text = "x" * size
        for _ in range(n):
            yield text

    async def paced_tokens(self, n: int, size: int, every_ms: int) -> AsyncIterator[str]:
        text, loop = "x" * size, asyncio.get_running_loop()
        due = loop.time()
        for _ in range(n):
            due += every_ms / 1000
            await asyncio.sleep(max(0.0, due - loop.time()))
            yield text


serving: list[HubApp] = []
"""The one application of this process."""


def backplane() -> Any:
    """Redis, if the environment names one, as `host:port,prefix`."""
    address, _, prefix = os.environ.get("REDIS", "").partition(",")
    if not address:
        return None
    from hubline.backplanes.redis import RedisBackplane  # a checkout from before there was any has none

    return RedisBackplane(f"redis://{address}", prefix=prefix)


def _nodes() -> dict[str, Any]:
    """Where this server takes requests of another one. A checkout from before there were nodes is not asked."""
    if "NODE" not in os.environ:
        return {}
    from hubline import Nodes

    return {"nodes": Nodes(secret="a secret of the benchmark's nodes", listen=os.environ["NODE"])}


async def home(request: Request) -> PlainTextResponse:
    """What the HTTP server costs by itself."""
    return PlainTextResponse("benchmark")


def application() -> Starlette:
    """The peers have no limits for slow clients, so ours are raised."""
    transport = TransportOptions(
        outbox_capacity=ENDLESS, outbox_messages=ENDLESS, maximum_connections=ENDLESS, maximum_waiting=ENDLESS
    )
    # A burst is meant to fill the loop, so no warning about that.
    hubs = HubApp({"/hub": BenchHub}, transport=transport, blocking_warning=None, backplane=backplane(), **_nodes())
    serving[:] = [hubs]
    return Starlette(routes=[Route("/", home), Mount("/", hubs)], lifespan=hubs.lifespan)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--accelerate", action=argparse.BooleanOptionalAction, default=True)
    arguments = parser.parse_args()
    settings: dict[str, Any] = {"log_level": "warning", "access_log": False, "backlog": 4096}
    if "accelerate" in inspect.signature(configure).parameters:
        settings["accelerate"] = arguments.accelerate
    collect_rarely()
    uvloop.run(serve(application(), "127.0.0.1", arguments.port, drain_timeout=1, **settings))


if __name__ == "__main__":
    main()
