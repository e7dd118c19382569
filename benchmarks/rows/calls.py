"""Echo calls: many clients, each with one call in flight."""

from benchmarks.rows.measuring import Bench, Clock, Figures, close
from hubline.cli.calls import call_for
from hubline.cli.dialect import Dialect
from hubline.cli.load import LoadError, connect_many

TEXT = "hello, hub"


async def json_calls(bench: Bench) -> Figures:
    return await _calls(bench, bench.server.peer.dialect())


async def messagepack_calls(bench: Bench) -> Figures:
    return await _calls(bench, bench.server.peer.messagepack())


async def _calls(bench: Bench, dialect: Dialect) -> Figures:
    connections = await connect_many(bench.settings.callers, bench.server.url, dialect)
    await call_for(bench.settings.seconds / 2, connections, "EchoText", [TEXT], check=True)
    clock = Clock(bench.server)
    clock.start()
    calls = await call_for(bench.settings.seconds, connections, "EchoText", [TEXT], check=True)
    clock.stop()
    close(connections)
    if calls.errors:
        raise LoadError(f"calls failed: {dict(calls.errors)}")
    figures = clock.figures(len(calls.latencies))
    return figures | {"p50_ms": calls.percentile(0.5) * 1000, "p99_ms": calls.percentile(0.99) * 1000}
