"""What every row does: look at the clocks before and after, drain, and check that nothing was lost or doubled."""

import asyncio
import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field

from benchmarks.machine import Usage
from benchmarks.process import Server
from benchmarks.settings import Settings
from hubline.cli.load import Connection, Countdown, LoadError, Pattern, Session, connect_many

Figures = dict[str, float]
"""Name to value. `per_second`, `user_us` and `kernel_us` are per unit of the row, `client_cpu` is a share of a core."""

PATIENCE = 90.0


@dataclass(slots=True)
class Bench:
    """What a row is given. Connections stay open for the next one: a slow server takes seconds for a thousand."""

    server: Server
    settings: Settings
    connections: list[Connection] = field(default_factory=list)

    async def connect(self, count: int) -> list[Connection]:
        """Exactly so many, however many there were."""
        close(self.connections[count:])
        more = count - len(self.connections)
        new = await connect_many(more, self.server.url, self.server.peer.dialect()) if more > 0 else []
        self.connections = self.connections[:count] + new
        return self.connections


class Clock:
    """Reads wall, server and client at `start` and `stop`."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._used = Usage(0, 0)
        self.seconds = self._own = 0.0

    def start(self) -> None:
        self._used, self._own, self.seconds = self._server.usage(), time.process_time(), time.perf_counter()

    def stop(self) -> None:
        self.seconds = time.perf_counter() - self.seconds
        self._own = time.process_time() - self._own
        self._used = self._server.usage() - self._used

    def figures(self, units: int) -> Figures:
        """What so many units cost the server."""
        return {
            "per_second": units / self.seconds,
            "user_us": self._used.user * 1e6 / units,
            "kernel_us": self._used.kernel * 1e6 / units,
            "server_cpu": self._used.total / self.seconds,
            "client_cpu": self._own / self.seconds,
        }


async def delivered(
    bench: Bench, sessions: Sequence[Session], messages: int, trigger: Awaitable[object], control: Session
) -> Figures:
    """Start `trigger` and wait until each session has got so many messages, all alike.

    Raises:
        LoadError: one got fewer, more or other messages.
    """
    countdown, pattern, clock = Countdown(len(sessions)), Pattern(), Clock(bench.server)
    for session in sessions:
        session.inbox.expect(messages, countdown, pattern)
    clock.start()
    try:
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(trigger, countdown.done)
    except TimeoutError:
        least = min(session.inbox.counted for session in sessions)
        raise LoadError(f"after {PATIENCE:g} s a connection had {least} of {messages} messages") from None
    clock.stop()
    await settled(control)
    for session in sessions:
        session.inbox.check()
    return clock.figures(messages * len(sessions))


async def settled(control: Session) -> None:
    """Come back when whatever the server has still sent is here."""
    await control.call("EchoText", "settled")
    await asyncio.sleep(0.02)  # what was written after the answer, to others


def affordable(wanted: int, seconds: float, tried: int, took: float, *, least: int = 3) -> int:
    """How many of `wanted` fit into so many seconds, when `tried` took so long."""
    return max(min(wanted, int(seconds * tried / took)), min(least, wanted))


def close(sessions: Sequence[Session]) -> None:
    for session in sessions:
        session.close()
