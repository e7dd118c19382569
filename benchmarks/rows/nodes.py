"""Calls over another server than that of the connection, beside calls over its own.

Two servers that forward to each other, on the server's core. The CPU of both is counted.
"""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

from benchmarks.load.fallbacks import EventSession, HttpSession, PollSession, negotiate
from benchmarks.load.http import open_http
from benchmarks.machine import usage
from benchmarks.process import HOST, Server, running
from benchmarks.rows.measuring import Bench, Figures, Warm
from hubline.cli.dialect import SignalR
from hubline.cli.load import LoadError, Session, connect

TEXT = "hello, hub"

Opened = Callable[[Server, Server], Awaitable[Session]]
"""Connects a client: the server for its negotiation, and the server for all other requests."""


async def calls(bench: Bench, warm: Warm) -> Figures:
    """The cost of a call for both servers, in µs, on each transport."""
    (core,) = os.sched_getaffinity(bench.server.process.pid)
    settings = bench.settings
    figures: Figures = {}
    with tempfile.TemporaryDirectory() as directory:
        async with AsyncExitStack() as stack:
            servers = []
            for name in ("a", "b"):
                environment = {**bench.server.peer.environment, "NODE": f"unix:{directory}/{name}.sock"}
                peer = replace(bench.server.peer, environment=environment)
                servers.append(await stack.enter_async_context(running(peer, core)))
            first, second = servers
            for key, opened in (("websockets", _websocket), ("events", _events), ("polling", _polling)):
                for where, server in (("here", first), ("away", second)):
                    async with _connected(opened, first, server, settings.callers) as sessions:
                        await _call(sessions, settings.seconds / 2)
                        figures[f"{key}_{where}"] = await _measured(servers, sessions, settings.seconds)
    return figures


async def _measured(servers: Sequence[Server], sessions: Sequence[Session], seconds: float) -> float:
    pids = [pid for server in servers for pid in server.pids]
    before = usage(pids)
    count = await _call(sessions, seconds)
    return (usage(pids) - before).total * 1e6 / count


async def _call(sessions: Sequence[Session], seconds: float) -> int:
    """Each with one call in flight; how many were answered."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds

    async def one(session: Session) -> int:
        answered = 0
        while loop.time() < end:
            if await session.call("EchoText", TEXT) != TEXT:
                raise LoadError("an answer is another text")
            answered += 1
        return answered

    return sum(await asyncio.gather(*map(one, sessions)))


@asynccontextmanager
async def _connected(opened: Opened, first: Server, second: Server, count: int) -> AsyncIterator[list[Session]]:
    sessions = [await opened(first, second) for _ in range(count)]
    try:
        yield sessions
    finally:
        for session in sessions:
            session.close()


async def _token(server: Server) -> str:
    client = await open_http(HOST, server.port)
    try:
        return await negotiate(client, server.peer.path)
    finally:
        client.close()


async def _websocket(first: Server, second: Server) -> Session:
    return await connect(f"{second.url}?id={await _token(first)}", second.peer.dialect())


async def _events(first: Server, second: Server) -> Session:
    return await _http(EventSession, first, second)


async def _polling(first: Server, second: Server) -> Session:
    return await _http(PollSession, first, second)


async def _http(kind: type[HttpSession], first: Server, second: Server) -> Session:
    posts, down = await open_http(HOST, second.port), await open_http(HOST, second.port)
    session = kind(second.peer.path, SignalR(), posts, down)
    await session.start(await _token(first))
    return session
