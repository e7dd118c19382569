"""Spans and metrics as OpenTelemetry's SDK collects them, compared with the names of the original."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from opentelemetry import baggage, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from hubline import Client, Hub, HubApp, HubError, Identity, Nodes, _worker
from hubline.backplanes import BackplaneLink, BackplaneListener, MemoryBackplane
from hubline.server.observer import Outcome
from hubline.telemetry import BUCKETS, Telemetry
from hubline.testing import ManualClock, connect, settle
from hubline.testing.asgi import ASGIApp
from hubline.testing.channels import TransportName
from hubline.transports.registry_statistics import RegistryStatistics
from tests.nodes.fleet import NegotiatedAtTheFirst, fleet_of
from tests.server.bench import bench

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Room(Hub[Client]):
    gate: asyncio.Event

    async def echo(self, text: str) -> str:
        return text

    async def fail(self) -> None:
        raise HubError("no")

    async def within(self) -> str:
        with trace.get_tracer("theirs", tracer_provider=PROVIDERS[-1]).start_as_current_span("theirs"):
            return str(baggage.get_baggage("tenant"))

    def in_thread(self) -> str:
        with trace.get_tracer("theirs", tracer_provider=PROVIDERS[-1]).start_as_current_span("theirs"):
            return "done"

    async def count(self) -> AsyncIterator[int]:
        with trace.get_tracer("theirs", tracer_provider=PROVIDERS[-1]).start_as_current_span("theirs"):
            yield 1

    async def endless(self) -> AsyncIterator[int]:
        yield 1
        await asyncio.Event().wait()

    async def wait(self) -> None:
        await self.gate.wait()


class Refusing(Hub):
    async def on_connected(self) -> None:
        raise HubError("not you")

    async def on_disconnected(self, error: Exception | None) -> None:
        raise ValueError("late")


PROVIDERS: list[TracerProvider] = []


class Collected:
    """What a `Telemetry` with providers of its own has made."""

    def __init__(self, **settings: Any) -> None:
        self.exporter, self.reader = InMemorySpanExporter(), InMemoryMetricReader()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.telemetry = Telemetry(
            tracer_provider=self.tracers, meter_provider=MeterProvider(metric_readers=[self.reader]), **settings
        )

    def spans(self) -> dict[str, ReadableSpan]:
        return {span.name.removeprefix(f"{__name__}."): span for span in self.exporter.get_finished_spans()}

    def metric(self, name: str) -> tuple[str, str | None, list[Any]]:
        """The scope, the unit and the data points of one metric."""
        data = self.reader.get_metrics_data()
        for of_scope in data.resource_metrics[0].scope_metrics if data is not None else ():
            for metric in of_scope.metrics:
                if metric.name == name:
                    return of_scope.scope.name, metric.unit, list(metric.data.data_points)
        return "", None, []

    def values(self, name: str) -> dict[tuple[str, ...], Any]:
        """The values by the attributes' values, in the order of their names."""
        return {
            tuple(str(value) for _, value in sorted(point.attributes.items())): point.value
            for point in self.metric(name)[2]
        }


@pytest.fixture
def collected() -> Iterator[Collected]:
    made = Collected()
    PROVIDERS.append(made.tracers)
    yield made
    PROVIDERS.pop()


def id_of(span: ReadableSpan) -> int:
    context = span.get_span_context()
    assert context is not None
    return context.span_id


def with_requests(app: ASGIApp, tracers: TracerProvider) -> ASGIApp:
    """What an instrumentation of ASGI does: a span around each request, which is the current one below."""

    async def instrumented(scope: Any, receive: Any, send: Any) -> None:
        with trace.get_tracer("asgi", tracer_provider=tracers).start_as_current_span(f"{scope['type']} request"):
            await app(scope, receive, send)

    return instrumented


def attributes(method: str, hub: type = Room) -> dict[str, str]:
    return {"rpc.method": method, "rpc.system": "signalr", "rpc.service": f"{__name__}.{hub.__qualname__}"}


async def test_a_call_is_a_span_of_its_own_linked_to_the_request(collected: Collected) -> None:
    app = with_requests(HubApp({"/room": Room}, telemetry=collected.telemetry), collected.tracers)
    async with connect(app, "/room") as client:
        assert await client.invoke("Echo", "x") == "x"
        assert await client.invoke("InThread") == "done"
    spans = collected.spans()
    span, request = spans["Room/Echo"], spans["websocket request"]
    assert span.kind is SpanKind.SERVER
    assert dict(span.attributes or {}) == attributes("Echo")
    assert span.parent is None
    assert [link.context.span_id for link in span.links] == [id_of(request)]
    assert span.status.status_code is StatusCode.UNSET
    assert span.instrumentation_scope is not None
    assert span.instrumentation_scope.name == "Microsoft.AspNetCore.SignalR.Server"
    theirs = spans["theirs"]
    assert theirs.parent is not None, "what runs in a worker thread is inside too"
    assert theirs.parent.span_id == id_of(spans["Room/InThread"])


async def test_without_a_request_span_there_is_no_link(collected: Collected) -> None:
    async with connect(HubApp({"/room": Room}, telemetry=collected.telemetry), "/room") as client:
        await client.invoke("Echo", "x")
    assert collected.spans()["Room/Echo"].links == ()


async def test_the_parent_of_a_call_comes_with_its_message(collected: Collected) -> None:
    async with bench(Room, observer=collected.telemetry) as hub:
        ada = await hub.connect()
        headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "baggage": "tenant=acme"}
        call = {"type": 1, "invocationId": "1", "target": "Within", "arguments": [], "headers": headers}
        ada.send(call)
        (answer,) = await ada.took()
        assert answer["result"] == "acme"
        ada.send({**call, "headers": {"traceparent": "nonsense"}})
        (answer,) = await ada.took()
        assert answer["result"] == "None", "and nothing is left of the call before"
    with_parent, without = [span for span in collected.exporter.get_finished_spans() if span.name.endswith("/Within")]
    assert without.parent is None
    assert with_parent.parent is not None
    assert (with_parent.parent.trace_id, with_parent.parent.span_id) == (int(TRACE, 16), int(PARENT, 16))
    assert with_parent.parent.is_remote
    theirs = next(span for span in collected.exporter.get_finished_spans() if span.name == "theirs")
    assert theirs.parent is not None
    assert theirs.parent.span_id == id_of(with_parent)


async def test_a_stream_is_a_span_to_its_last_item(collected: Collected) -> None:
    async with connect(HubApp({"/room": Room}, telemetry=collected.telemetry), "/room") as client:
        assert [item async for item in client.stream("Count")] == [1]
    spans = collected.spans()
    assert dict(spans["Room/Count"].attributes or {}) == attributes("Count")
    theirs = spans["theirs"]
    assert theirs.parent is not None
    assert theirs.parent.span_id == id_of(spans["Room/Count"])
    assert (spans["Room/Count"].end_time or 0) >= (theirs.end_time or 0)


async def test_what_fails_names_its_exception(collected: Collected) -> None:
    async with bench(Room, observer=collected.telemetry) as hub:
        ada = await hub.connect()
        await ada.result("Fail")
        ada.send({"type": 5, "invocationId": ada.stream("Endless")})
        await settle()
    spans = collected.spans()
    failed = spans["Room/Fail"]
    assert dict(failed.attributes or {}) == {**attributes("Fail"), "error.type": "hubline.errors.HubError"}
    assert failed.status.status_code is StatusCode.ERROR
    assert spans["Room/Endless"].status.status_code is StatusCode.UNSET, "cancelled, as its client wanted"


async def test_what_happens_to_a_connection_is_a_span_each(collected: Collected) -> None:
    async with bench(Room, observer=collected.telemetry) as hub:
        ada = await hub.connect("ada")
        ada.refresh(Identity("ada"))
        await settle()
        ada.lose()
        await ada.ended()
    spans = collected.spans()
    for method in ("OnConnectedAsync", "OnAuthenticationRefreshedAsync", "OnDisconnectedAsync"):
        span = spans[f"Room/{method}"]
        assert (span.kind, dict(span.attributes or {})) == (SpanKind.INTERNAL, attributes(method))
        assert span.parent is None
    async with bench(Refusing, observer=collected.telemetry) as hub:
        line = hub.open()
        line.send(b'{"protocol":"json","version":1}\x1e')
        await line.ended()
    refused = collected.spans()["Refusing/OnConnectedAsync"]
    assert (refused.attributes or {})["error.type"] == "hubline.errors.HubError"
    assert refused.status.status_code is StatusCode.ERROR


async def test_what_never_begins_is_counted_and_no_span(collected: Collected) -> None:
    async with bench(Room, observer=collected.telemetry) as hub:
        ada = await hub.connect()
        for target, arguments in (("Nothing", ()), ("Echo", (1, 2)), ("Count", ()), ("Echo", ("x",)), ("Fail", ())):
            await ada.result(target, *arguments)
    room = f"{__name__}.Room"
    assert collected.values("hubline.server.calls") == {
        ("unknown", room): 1,
        ("unbound", "Echo", room): 1,
        ("refused", "Count", room): 1,
        ("succeeded", "Echo", room): 1,
        ("failed", "Fail", room): 1,
    }
    assert [name for name in collected.spans() if "Async" not in name] == ["Room/Echo", "Room/Fail"]


@pytest.mark.parametrize(
    ("transport", "name"),
    [("websocket", "web_sockets"), ("sse", "server_sent_events"), ("long_polling", "long_polling")],
)
async def test_connections_are_counted_and_timed(transport: TransportName, name: str, collected: Collected) -> None:
    clock = ManualClock()
    app = HubApp({"/room": Room}, telemetry=collected.telemetry, clock=clock)
    async with connect(app, "/room", transport=transport) as client:
        await client.invoke("Echo", "x")
        assert collected.values("signalr.server.active_connections") == {(name,): 1}
        await clock.advance(3)
    await settle()
    scope, unit, points = collected.metric("signalr.server.active_connections")
    assert (scope, unit) == ("Microsoft.AspNetCore.Http.Connections", "{connection}")
    assert [(dict(point.attributes), point.value) for point in points] == [({"signalr.transport": name}, 0)]
    scope, unit, (point,) = collected.metric("signalr.server.connection.duration")
    assert (scope, unit) == ("Microsoft.AspNetCore.Http.Connections", "s")
    assert point.attributes == {"signalr.transport": name, "signalr.connection.status": "normal_closure"}
    assert (point.count, point.sum, point.explicit_bounds) == (1, 3.0, BUCKETS)


async def test_who_stops_polling_has_timed_out(collected: Collected) -> None:
    clock = ManualClock()
    app = HubApp({"/room": Room}, telemetry=collected.telemetry, clock=clock)
    async with connect(app, "/room", transport="long_polling") as client:
        client.drop()
        for _ in range(20):
            await clock.advance(1)
    assert statuses(collected) == ["timeout"]


async def test_who_is_there_when_the_application_ends_is_shut_down(collected: Collected) -> None:
    app = HubApp({"/room": Room}, telemetry=collected.telemetry, clock=ManualClock())
    async with app.lifespan(), connect(app, "/room") as client:
        await client.invoke("Echo", "x")
        await app.drain()
        await settle()
        assert statuses(collected) == ["app_shutdown"]


def statuses(collected: Collected) -> list[str]:
    points = collected.metric("signalr.server.connection.duration")[2]
    return [point.attributes["signalr.connection.status"] for point in points]


async def test_what_waits_and_what_runs_is_read_with_the_metrics(collected: Collected) -> None:
    Room.gate = asyncio.Event()
    apps = [HubApp({"/room": Room}, telemetry=collected.telemetry) for _ in range(2)]
    async with connect(apps[0], "/room") as ada, connect(apps[1], "/room") as bob:
        streams = [client.stream("Endless") for client in (ada, bob)]
        assert [await anext(stream) for stream in streams] == [1, 1]
        for _ in range(3):
            await ada.send("Wait")
        await settle()
        assert collected.values("hubline.server.waiting_calls") == {(f"{__name__}.Room",): 2}
        assert collected.values("hubline.server.streams") == {(f"{__name__}.Room",): 2}
        assert collected.metric("hubline.server.streams")[:2] == ("hubline", "{stream}")
        Room.gate.set()
        for stream in streams:
            await stream.aclose()


async def test_what_a_backplane_loses_and_how_long_it_takes_is_read_with_the_metrics(collected: Collected) -> None:
    class Watched(MemoryBackplane):
        async def connect(self, listener: BackplaneListener) -> BackplaneLink:
            listeners.append(listener)
            return await super().connect(listener)

    listeners: list[Any] = []
    HubApp({"/room": Room}, telemetry=collected.telemetry)
    apps = [HubApp({"/room": Room}, telemetry=collected.telemetry, backplane=Watched()) for _ in range(2)]
    async with connect(apps[0], "/room") as ada, connect(apps[1], "/room") as bob:
        for client in (ada, bob):
            await client.fence()
        began = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
        for listener in listeners:
            listener.interrupted(began, began + timedelta(seconds=2.5))
        assert collected.values("hubline.backplane.lag") == {}
        later = Collected()
        later.telemetry.watch(apps[0].statistics)
        for listener in listeners:
            listener.received(listener._heartbeat.channel, repr(time.monotonic() - 3).encode())
        assert later.values("hubline.backplane.gaps") == {(): 1}
        (lag,) = later.values("hubline.backplane.lag").values()
        assert 3 <= lag < 4
        assert collected.values("hubline.backplane.gaps") == {(): 2}
        assert collected.values("hubline.backplane.gap_time") == {(): 5.0}
        assert collected.metric("hubline.backplane.lag")[1] in (None, "s")
        assert collected.values("hubline.backplane.deaf_brokers") == {(): 0}


async def test_the_lag_of_each_of_several_brokers_is_read_with_the_metrics(collected: Collected) -> None:
    def statistics(lag: float | None) -> dict[str, Any]:
        brokers = {"a:1": {"lag": lag, "deaf": False}, "b:2": {"lag": 0.5, "deaf": True}}
        counts = {"gaps": 0, "gap_seconds": 0.0, "lag": lag, "deaf": 1, "brokers": brokers}
        return {"backplane": counts, "hubs": {}}

    for lag in (0.25, 0.75, None):
        collected.telemetry.watch(lambda lag=lag: statistics(lag))  # type: ignore[misc]
    assert collected.values("hubline.backplane.lag") == {("a:1",): 0.75, ("b:2",): 0.5}
    assert collected.values("hubline.backplane.deaf_brokers") == {(): 3}


async def test_what_is_forwarded_to_other_nodes_is_read_with_the_metrics(collected: Collected, tmp_path: Path) -> None:
    HubApp({"/room": Room}, telemetry=collected.telemetry)
    assert collected.values("hubline.nodes.forwarding") == {}

    def node(nodes: Nodes) -> HubApp:
        return HubApp({"/room": Room}, nodes=nodes, telemetry=collected.telemetry)

    async with fleet_of(node, tmp_path) as apps:
        async with connect(NegotiatedAtTheFirst(apps), "/room", transport="sse"):
            later = Collected()
            later.telemetry.watch(apps[1].statistics)
            assert later.values("hubline.nodes.forwarding") == {(): 1}
            assert later.metric("hubline.nodes.forwarding")[:2] == ("hubline", "{request}")
        assert collected.values("hubline.nodes.lost_links") == {(): 0}


async def test_what_is_queued_and_dropped_is_that_of_all_apps(collected: Collected) -> None:
    for number in (1, 20):
        counts = RegistryStatistics(
            connections=1,
            waiting=0,
            refused=0,
            queued_bytes=number,
            unread_bytes=0,
            peak_bytes=0,
            dropped_messages=number * 100,
        )
        collected.telemetry.watch(lambda counts=counts: {"transports": counts, "hubs": {}})  # type: ignore[misc]
    assert collected.values("hubline.server.queued_bytes") == {(): 21}
    assert collected.values("hubline.server.dropped_messages") == {(): 2100}


async def test_without_providers_nothing_is_recorded_and_nothing_fails() -> None:
    async with connect(HubApp({"/room": Room}, telemetry=Telemetry()), "/room") as client:
        assert await client.invoke("Echo", "x") == "x"


# In one of several workers


def worker_figures(number: int, pid: int, **more: Any) -> dict[str, Any]:
    transports = RegistryStatistics(1, 0, 0, 10 * pid, 0, 0, pid)
    return {"number": number, "pid": pid, "transports": transports, "hubs": {"Chat": {"streams": pid}}, **more}


async def test_a_worker_tells_its_own_metrics_with_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_worker, "current", _worker.Worker(3, "nowhere", "s" * 32))
    collected = Collected()
    collected.telemetry.watch(lambda: {"workers": [worker_figures(0, 1), worker_figures(3, os.getpid())]})
    assert collected.values("hubline.server.queued_bytes") == {("3",): 10 * os.getpid()}
    collected.telemetry.ended(Room, "Echo", MagicMock(), Outcome.SUCCEEDED)
    assert collected.values("hubline.server.calls") == {("succeeded", "3", "Echo", f"{__name__}.Room"): 1}


async def test_a_worker_that_tells_those_of_all_adds_up_whoever_has_the_same_number() -> None:
    collected = Collected(all_workers=True)
    calls = [("hubline.server.calls", {"rpc.method": "Echo"}, 2), ("signalr.server.active_connections", {}, 1)]
    told = [worker_figures(number, pid, telemetry=calls) for number, pid in ((0, 1), (1, 2), (1, 3))]
    collected.telemetry.watch(lambda: {"workers": told})
    assert collected.values("hubline.server.queued_bytes") == {("0",): 10, ("1",): 50}
    assert collected.values("hubline.server.streams") == {("0", "Chat"): 1, ("1", "Chat"): 5}
    assert collected.values("hubline.server.calls") == {("0", "Echo"): 2, ("1", "Echo"): 4}
    assert collected.values("signalr.server.active_connections") == {("0",): 1, ("1",): 2}


async def test_what_is_counted_for_all_workers_is_counted_as_otherwise() -> None:
    collected = Collected(all_workers=True)
    async with connect(HubApp({"/room": Room}, telemetry=collected.telemetry), "/room") as client:
        await client.invoke("Echo", "x")
        assert collected.values("hubline.server.calls") == {("succeeded", "Echo", f"{__name__}.Room"): 1}
        assert collected.values("signalr.server.active_connections") == {("web_sockets",): 1}
    await settle()
    later = Collected(all_workers=True)
    app = HubApp({"/room": Room}, telemetry=later.telemetry)
    async with connect(app, "/room", transport="sse") as client:
        await client.invoke("Echo", "x")
    await settle()
    assert later.values("signalr.server.active_connections") == {("server_sent_events",): 0}
