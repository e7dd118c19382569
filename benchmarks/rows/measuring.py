"""The common part of all rows: read the clocks, drain, and check that nothing was lost or duplicated."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from benchmarks.machine import Usage
from benchmarks.process import Server
from benchmarks.settings import Settings
from hubline.cli.dialect import Dialect
from hubline.cli.load import Connection, Countdown, LoadError, Pattern, Session, connect_many

Figures = dict[str, float]
"""Name to value. `per_second`, `user_us` and `kernel_us` are per unit of the row, `client_cpu` is a share of a core."""

PATIENCE = 90.0


@dataclass(slots=True)
class Bench:
    """The arguments of a row."""

    server: Server
    settings: Settings
    connections: list[Connection] = field(default_factory=list)
    """Of the rows that have more and more of them."""
    warmed: set[str] = field(default_factory=set)
    """Keys of the rows that this process is warm for."""

    async def connect(self, count: int) -> list[Connection]:
        """Use exactly this number of servers."""
        close(self.connections[count:])
        more = count - len(self.connections)
        new = await connect_many(more, self.server.url, self.server.peer.dialect()) if more > 0 else []
        self.connections = self.connections[:count] + new
        return self.connections


Run = Callable[[float], Awaitable[Figures]]
"""Puts a row's load on a server for at least so many seconds. May be called again and again."""

Warm = Callable[[Run], Awaitable[None]]
"""Puts a load on the server until it is warm."""

Load = Callable[[Bench], AbstractAsyncContextManager[Run]]
"""Connects what the load needs, and closes it at the end."""


class Clock:
    """`with clock` counts the server's CPU; wall time and the client's CPU count `with clock.running()` inside it.

    So the client may check and prepare between two runs: the server has nothing to do meanwhile.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._used = Usage(0, 0)
        self.seconds = self._own = 0.0

    def __enter__(self) -> "Clock":
        self._used = self._server.usage()
        return self

    def __exit__(self, *error: object) -> None:
        self._used = self._server.usage() - self._used

    @contextmanager
    def running(self) -> Iterator[None]:
        own, started = time.process_time(), time.perf_counter()
        yield
        self.seconds += time.perf_counter() - started
        self._own += time.process_time() - own

    def figures(self, units: int) -> Figures:
        """The cost of a number of units for the server."""
        return {
            "per_second": units / self.seconds,
            "user_us": self._used.user * 1e6 / units,
            "kernel_us": self._used.kernel * 1e6 / units,
            "server_cpu": self._used.total / self.seconds,
            "client_cpu": self._own / self.seconds,
        }


def per_core(figures: Figures) -> float:
    """The units in a second of the server's CPU, independent of other load on its core and of limits of the client."""
    return 1e6 / max(figures["user_us"] + figures["kernel_us"], 1e-6)


class Pace:
    """How many units fit into a time, by what the last ones took. It begins with one."""

    def __init__(self, most: int, least: int = 3) -> None:
        self._most = most
        self._least = min(least, most)
        self._seconds_each = 0.0

    def fit(self, seconds: float) -> int:
        """Never more than `most`; never fewer than `least` but for the first time."""
        if not self._seconds_each:
            return 1
        return max(min(self._most, int(seconds / self._seconds_each)), self._least)

    def learn(self, units: int, seconds: float) -> None:
        self._seconds_each = seconds / units


async def repeated(
    bench: Bench,
    sessions: Sequence[Session],
    seconds: float,
    pace: Pace,
    go: Callable[[int], Awaitable[object]],
    *,
    each: int = 1,
) -> Figures:
    """Let `go` send repeatedly, as much as fits, the next time when all messages have arrived.

    `each` is how many messages one unit brings to each session.

    Raises:
        LoadError: a session got fewer, more or other messages than were sent.
    """
    clock, counts = Clock(bench.server), list[int]()
    with clock:
        while clock.seconds < seconds:
            count, before = pace.fit(seconds - clock.seconds), clock.seconds
            await deliver(clock, sessions, count * each, go(count))
            pace.learn(count, clock.seconds - before)
            counts.append(count)
    await settled(sessions[0])
    check(sessions)
    return clock.figures(sum(counts) * each * len(sessions)) | {"messages": max(counts)}


async def deliver(clock: Clock, sessions: Sequence[Session], messages: int, trigger: Awaitable[object]) -> None:
    """Start `trigger` and wait until each session has got so many messages, all alike.

    Raises:
        LoadError: one got fewer, more or other messages.
    """
    countdown, pattern = Countdown(len(sessions)), Pattern()
    for session in sessions:
        session.inbox.expect(messages, countdown, pattern)
    try:
        with clock.running():
            async with asyncio.timeout(PATIENCE):
                await asyncio.gather(trigger, countdown.done)
    except TimeoutError:
        least = min(session.inbox.counted for session in sessions)
        raise LoadError(f"after {PATIENCE:g} s a connection had {least} of {messages} messages") from None
    check(sessions)


def check(sessions: Sequence[Session]) -> None:
    """Raises `LoadError` unless each has got exactly what it expected."""
    for session in sessions:
        session.inbox.check()


async def settled(control: Session) -> None:
    """Return when all messages that the server has sent have arrived."""
    await control.call("EchoText", "settled")
    await asyncio.sleep(0.02)  # messages to others, written after the answer


@asynccontextmanager
async def connected(bench: Bench, count: int, dialect: Dialect | None = None) -> AsyncIterator[list[Connection]]:
    """So many new connections, closed at the end."""
    connections = await connect_many(count, bench.server.url, dialect or bench.server.peer.dialect())
    try:
        yield connections
    finally:
        close(connections)


def close(sessions: Sequence[Session]) -> None:
    for session in sessions:
        session.close()
