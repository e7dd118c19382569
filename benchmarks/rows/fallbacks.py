"""Where there is no WebSocket: Server-Sent Events and long polling."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.load.fallbacks import EventSession, HttpSession, PollSession, open_sessions
from benchmarks.load.http import open_http
from benchmarks.process import HOST
from benchmarks.rows.measuring import Bench, Clock, Figures, Pace, Run, check, close, deliver, repeated, settled


@asynccontextmanager
async def events(bench: Bench) -> AsyncIterator[Run]:
    """A burst of broadcasts."""
    settings = bench.settings
    async with _opened(bench, EventSession) as sessions:
        pace = Pace(settings.broadcasts)

        async def go(messages: int) -> None:
            await sessions[0].call("Broadcast", messages, settings.message_size)

        async def run(seconds: float) -> Figures:
            return await repeated(bench, sessions, seconds, pace, go)

        yield run


@asynccontextmanager
async def polling(bench: Bench) -> AsyncIterator[Run]:
    """A poll for each delivery.

    `http_us` is what the same HTTP server needs for as many requests that do nothing, on as many connections and as
    closely behind each other: no poll can cost less.
    """
    async with _opened(bench, PollSession) as sessions:
        polls = _polls(bench, sessions, 1)

        async def run(seconds: float) -> Figures:
            http_us = await _requests(bench, seconds / 4)
            return await polls(seconds) | {"http_us": http_us}

        yield run


@asynccontextmanager
async def waiting(bench: Bench) -> AsyncIterator[Run]:
    """Several messages in one go: what waits comes with the next poll, however many they are."""
    async with _opened(bench, PollSession) as sessions:
        yield _polls(bench, sessions, bench.settings.waiting)


@asynccontextmanager
async def _opened(bench: Bench, kind: type[HttpSession]) -> AsyncIterator[list[HttpSession]]:
    server = bench.server
    sessions = await open_sessions(kind, bench.settings.fallbacks, HOST, server.port, server.peer.path)
    try:
        yield sessions
    finally:
        close(sessions)


def _polls(bench: Bench, sessions: list[HttpSession], messages: int) -> Run:
    """Broadcasts of so many messages, the next when everybody has the last.

    The server's CPU is counted over all of them: a poll is a request and an answer, and the requests come behind the
    answers of the broadcast before.
    """
    control, size = sessions[0], bench.settings.message_size

    async def run(seconds: float) -> Figures:
        clock, sent = Clock(bench.server), 0
        with clock:
            while clock.seconds < seconds:
                await deliver(clock, sessions, messages, control.call("Broadcast", messages, size))
                sent += messages
        await settled(control)
        check(sessions)
        return clock.figures(sent * len(sessions))

    return run


async def _requests(bench: Bench, seconds: float) -> float:
    """What a request costs that the server answers with a bare page, in µs."""
    clients = [await open_http(HOST, bench.server.port) for _ in range(bench.settings.fallbacks)]
    clock, asked = Clock(bench.server), 0
    with clock:
        while clock.seconds < seconds:
            with clock.running():
                await asyncio.gather(*(client.request("GET", "/") for client in clients))
            asked += len(clients)
    for client in clients:
        client.close()
    figures = clock.figures(asked)
    return figures["user_us"] + figures["kernel_us"]
