"""Where there is no WebSocket: Server-Sent Events and long polling."""

import asyncio
import statistics
import time

from benchmarks.load.fallbacks import EventSession, HttpSession, PollSession, open_sessions
from benchmarks.load.http import open_http
from benchmarks.process import HOST
from benchmarks.rows.measuring import Bench, Clock, Figures, affordable, close, delivered


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

    `http_us` is what the same HTTP server needs for a request that does nothing: no poll can cost less.
    """
    settings, server = bench.settings, bench.server
    await bench.connect(0)
    http_us = await _requests(bench)
    sessions = await open_sessions(PollSession, settings.fallbacks, HOST, server.port, server.peer.path)
    rounds = [await _one(bench, sessions) for _ in range(settings.polls + 1)][1:]  # the first warms up
    close(sessions)
    figures = {name: statistics.fmean(each[name] for each in rounds) for name in rounds[0]}
    return figures | {"http_us": http_us}


async def _one(bench: Bench, sessions: list[HttpSession]) -> Figures:
    control = sessions[0]
    return await delivered(bench, sessions, 1, control.call("Broadcast", 1, bench.settings.message_size), control)


async def _requests(bench: Bench) -> float:
    clients = [await open_http(HOST, bench.server.port) for _ in range(min(bench.settings.fallbacks, 64))]
    clock, made = Clock(bench.server), 0
    clock.start()
    end = time.perf_counter() + bench.settings.seconds / 2

    async def again(number: int) -> None:
        nonlocal made
        while time.perf_counter() < end:
            await clients[number].request("GET", "/")
            made += 1

    await asyncio.gather(*(again(number) for number in range(len(clients))))
    clock.stop()
    for client in clients:
        client.close()
    figures = clock.figures(made)
    return figures["user_us"] + figures["kernel_us"]
