"""Echo calls: many clients, each with one call in flight."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from benchmarks.rows.measuring import Bench, Clock, Figures, Run, connected
from hubline.cli.calls import call_for
from hubline.cli.load import Connection, LoadError

TEXT = "hello, hub"
DATE = "2026-11-28T12:00:00Z"


@asynccontextmanager
async def json_calls(bench: Bench) -> AsyncIterator[Run]:
    async with connected(bench, bench.settings.callers) as connections:
        yield echo(bench, connections, "EchoText", TEXT)


@asynccontextmanager
async def messagepack_calls(bench: Bench) -> AsyncIterator[Run]:
    async with connected(bench, bench.settings.callers, bench.server.peer.messagepack()) as connections:
        yield echo(bench, connections, "EchoText", TEXT)


@asynccontextmanager
async def dates(bench: Bench) -> AsyncIterator[Run]:
    """The server reads the date and writes it again."""
    async with connected(bench, bench.settings.callers) as connections:
        yield echo(bench, connections, "EchoDate", DATE)


def echo(bench: Bench, connections: Sequence[Connection], method: str, argument: str) -> Run:
    """Calls that are answered with their argument."""

    async def run(seconds: float) -> Figures:
        clock = Clock(bench.server)
        with clock, clock.running():
            calls = await call_for(seconds, connections, method, [argument], check=True)
        if calls.errors:
            raise LoadError(f"calls failed: {dict(calls.errors)}")
        figures = clock.figures(len(calls.latencies))
        return figures | {"p50_ms": calls.percentile(0.5) * 1000, "p99_ms": calls.percentile(0.99) * 1000}

    return run
