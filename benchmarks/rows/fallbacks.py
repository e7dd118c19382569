"""Where there is no WebSocket: Server-Sent Events and long polling."""

import asyncio
import time

from benchmarks.load.fallbacks import EventSession, HttpSession, PollSession, open_sessions
from benchmarks.load.http import open_http
from benchmarks.process import HOST
from benchmarks.rows.measuring import PATIENCE, Bench, Clock, Figures, affordable, close, delivered, settled
from hubline.cli.load import Countdown, Pattern


async def events(bench: Bench) -> Figures:
    """A burst of broadcasts."""
    settings, server = bench.settings, bench.server
    await bench.connect(0)
    sessions = await open_sessions(EventSession, settings.fallbacks, HOST, server.port, server.peer.path)
    control = sessions[0]
    tried = min(settings.broadcasts, 5)
    started = time.perf_counter()
    await delivered(bench, sessions, tried, control.call("Broadcast", tried, settings.message_size), control)
    messages = affordable(settings.broadcasts, 2 * settings.seconds, tried, time.perf_counter() - started)
    trigger = control.call("Broadcast", messages, settings.message_size)
    figures = await delivered(bench, sessions, messages, trigger, control)
    close(sessions)
    return figures | {"messages": messages}


async def polling(bench: Bench) -> Figures:
    """One broadcast after another, the next when everybody has the last: a poll for each delivery.

    `http_us` is what the same HTTP server needs for as many requests that do nothing, on as many connections and as
    closely behind each other: no poll can cost less. One clock runs over all rounds, because a poll is a request and an
    answer, and the requests come behind the answers of the round before.
    """
    settings, server = bench.settings, bench.server
    await bench.connect(0)
    http_us = await _requests(bench)
    sessions = await open_sessions(PollSession, settings.fallbacks, HOST, server.port, server.peer.path)
    clock = Clock(server)
    await _broadcast(bench, sessions)  # warms up
    clock.start()
    for _ in range(settings.polls):
        await _broadcast(bench, sessions)
    clock.stop()
    await settled(sessions[0])
    for session in sessions:
        session.inbox.check()
    close(sessions)
    return clock.figures(settings.polls * len(sessions)) | {"http_us": http_us}


async def _broadcast(bench: Bench, sessions: list[HttpSession]) -> None:
    """To everybody, who must have had exactly one message before."""
    countdown, pattern, control = Countdown(len(sessions)), Pattern(), sessions[0]
    for session in sessions:
        session.inbox.expect(1, countdown, pattern)
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(control.call("Broadcast", 1, bench.settings.message_size), countdown.done)
    for session in sessions:
        session.inbox.check()


async def _requests(bench: Bench) -> float:
    """What a request costs that the server answers with a bare page, in µs."""
    clients = [await open_http(HOST, bench.server.port) for _ in range(bench.settings.fallbacks)]
    clock = Clock(bench.server)
    await asyncio.gather(*(client.request("GET", "/") for client in clients))  # warms up
    clock.start()
    for _ in range(bench.settings.polls):
        await asyncio.gather(*(client.request("GET", "/") for client in clients))
    clock.stop()
    for client in clients:
        client.close()
    figures = clock.figures(bench.settings.polls * len(clients))
    return figures["user_us"] + figures["kernel_us"]
