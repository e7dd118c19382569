"""Spans and metrics through OpenTelemetry's API, with the names and attributes of ASP.NET Core's SignalR.

Needs the extra `otel`. Nothing in Hubline imports this: an application does, and gives a `Telemetry` to its `HubApp`.

Spans and their attributes: `DefaultHubDispatcher.StartActivity` in aspnetcore. Metrics: OpenTelemetry's semantic
conventions, "SignalR metrics", and `HttpConnectionsMetrics` in aspnetcore. Names that begin with `hubline.` are ours.
"""

import operator
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from contextvars import Token
from typing import Any, TypeAlias

from opentelemetry import context as contexts
from opentelemetry import propagate
from opentelemetry.context import Context
from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation, get_meter
from opentelemetry.trace import (
    Link,
    Span,
    SpanKind,
    StatusCode,
    TracerProvider,
    get_current_span,
    get_tracer,
    set_span_in_context,
)

from hubline import _worker
from hubline._clock import Clock
from hubline.connection import TransportConnection
from hubline.server.observer import Outcome
from hubline.server.ports import HubConnection
from hubline.statistics import WORKER, Attributes, Counts, RecentStatistics, Statistics
from hubline.wire.messages import Invocation, StreamInvocation

__all__ = ["Telemetry"]

SPANS = "Microsoft.AspNetCore.SignalR.Server"
"""The scope of the spans: the original's activity source."""
CONNECTIONS = "Microsoft.AspNetCore.Http.Connections"
"""The scope of the metrics of connections: the original's meter."""
OURS = "hubline"
"""The scope of the other metrics."""

BUCKETS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300)
"""Seconds, from the semantic conventions."""

Serve: TypeAlias = Callable[[TransportConnection], Awaitable[None]]


class Telemetry:
    """Makes spans and metrics of what an app does for its clients. Several apps may share one object.

    Without providers it uses OpenTelemetry's global ones, which may also be set later. If there are none, nothing is
    recorded. docs/guides/telemetry.md lists the spans and metrics. Only Hubline calls the methods.

    A worker of `hubline run --workers` tells its own metrics, with its number as `hubline.worker`. With `all_workers`
    it tells those of the others too, as of a second ago, except durations: for what asks one of them (Prometheus), not
    for what each sends by itself.
    """

    def __init__(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        all_workers: bool = False,
    ) -> None:
        worker = _worker.current
        self._all_workers, self._here = all_workers, {} if worker is None else {WORKER: worker.number}
        self._counted: Counter[tuple[str, tuple[tuple[str, Any], ...]]] = Counter()
        """With `all_workers`: metric and attributes, and the count of this process."""
        self._tracer = get_tracer(SPANS, tracer_provider=tracer_provider)
        meter = get_meter(CONNECTIONS, meter_provider=meter_provider)
        self._duration = meter.create_histogram(
            "signalr.server.connection.duration",
            unit="s",
            description="The duration of connections on the server.",
            explicit_bucket_boundaries_advisory=BUCKETS,
        )
        active = meter.create_observable_up_down_counter if all_workers else meter.create_up_down_counter
        self._active = self._counter(
            active,
            "signalr.server.active_connections",
            unit="{connection}",
            description="Number of connections that are currently active on the server.",
        )
        self._meter = get_meter(OURS, meter_provider=meter_provider)
        self._calls = self._counter(
            self._meter.create_observable_counter if all_workers else self._meter.create_counter,
            "hubline.server.calls",
            unit="{call}",
            description="Calls of clients that have ended, by outcome.",
        )
        self._sources: list[RecentStatistics] = []
        self._measure()

    def _counter(self, create: Callable[..., Any], name: str, **about: str) -> Callable[[int, Attributes], None]:
        """Make a counter; returns the function that adds to it. Others can only tell counts that are read."""
        if not self._all_workers:
            instrument = create(name, **about)
            return lambda count, attributes: instrument.add(count, {**attributes, **self._here})

        def read(_: CallbackOptions) -> list[Observation]:
            first = self._sources[0].now() if self._sources else []  # all apps of a process have the same telemetry
            return _observed(
                (count, {**given, **where})
                for where, found in first
                for metric, given, count in found["telemetry"]
                if metric == name
            )

        def add(count: int, attributes: Attributes) -> None:
            self._counted[name, tuple(attributes.items())] += count

        create(name, [read], **about)
        return add

    def counts(self) -> dict[str, Any]:
        """What this process has counted for all workers, as `telemetry`: metric, attributes and count of each."""
        counted = list(self._counted.items())  # one atomic step: other threads read
        found = [(name, dict(attributes), count) for (name, attributes), count in counted]
        return {"telemetry": found} if self._all_workers else {}

    def begin(
        self, hub: type, name: str, connection: HubConnection, message: Invocation | StreamInvocation | None
    ) -> "_Operation":
        """Start the span of a call, or without a message that of `on_connected` and the other lifecycle methods.

        A call's parent is the `traceparent` of its message. The span is linked to the span of the HTTP request.
        """
        parent = Context()
        if message is not None and message.headers:
            parent = propagate.extract(message.headers, context=parent)
        request = get_current_span().get_span_context()
        service = _name(hub)
        span = self._tracer.start_span(
            f"{service}/{name}",
            context=parent,
            kind=SpanKind.INTERNAL if message is None else SpanKind.SERVER,
            attributes={"rpc.method": name, "rpc.system": "signalr", "rpc.service": service},
            links=[Link(request)] if request.is_valid else None,
        )
        return _Operation(span, contexts.attach(set_span_in_context(span, parent)))

    def ended(self, hub: type, name: str | None, connection: HubConnection, outcome: Outcome) -> None:
        """Count a call that has ended in `hubline.server.calls`."""
        attributes = {"rpc.service": _name(hub), "hubline.outcome": outcome.value}
        if name is not None:
            attributes["rpc.method"] = name
        self._calls(1, attributes)

    def connections(self, serve: Serve, clock: Clock, draining: Callable[[], bool]) -> Serve:
        """Wrap `serve`, so that connections are counted and timed. It runs when the transport is known.

        The conventions write a transport as the enum does, in small letters: `web_sockets`.
        """

        async def counted(connection: TransportConnection) -> None:
            begun, transport = clock.now(), {"signalr.transport": connection.transport.name.lower()}
            self._active(1, transport)
            try:
                await serve(connection)
            finally:
                self._active(-1, transport)
                status = "app_shutdown" if draining() else "timeout" if connection.timed_out else "normal_closure"
                ended: dict[str, Any] = {**transport, "signalr.connection.status": status, **self._here}
                self._duration.record(clock.now() - begun, ended)

        return counted

    def watch(self, statistics: Statistics) -> None:
        """Register the function that returns an app's counts. It is called in the thread that collects the metrics."""
        self._sources.append(RecentStatistics(statistics, all_workers=self._all_workers))

    def _measure(self) -> None:
        self._meter.create_observable_up_down_counter(
            "hubline.server.queued_bytes",
            [self._of_transports("queued_bytes")],
            unit="By",
            description="Bytes that wait for clients to take them.",
        )
        self._meter.create_observable_counter(
            "hubline.server.dropped_messages",
            [self._of_transports("dropped_messages")],
            unit="{message}",
            description="Messages that were never written, because of an outbox policy or the end of a connection.",
        )
        self._meter.create_observable_up_down_counter(
            "hubline.server.waiting_calls",
            [self._of_hubs("waiting_calls")],
            unit="{call}",
            description="Calls that wait until another call of their connection has ended.",
        )
        self._meter.create_observable_up_down_counter(
            "hubline.server.streams",
            [self._of_hubs("streams")],
            unit="{stream}",
            description="Calls that stream, in either direction.",
        )
        self._measure_backplanes()
        self._measure_nodes()

    def _measure_backplanes(self) -> None:
        self._meter.create_observable_counter(
            "hubline.backplane.gaps",
            [self._of_backplanes("gaps")],
            unit="{gap}",
            description="Times in which messages of other servers may have been lost.",
        )
        self._meter.create_observable_counter(
            "hubline.backplane.gap_time",
            [self._of_backplanes("gap_seconds")],
            unit="s",
            description="How long these times were, all together.",
        )
        self._meter.create_observable_gauge(
            "hubline.backplane.lag",
            [self._lag],
            unit="s",
            description="How long the last heartbeat of this server took to come back to it through the backplane.",
        )
        self._meter.create_observable_up_down_counter(
            "hubline.backplane.deaf_brokers",
            [self._of_backplanes("deaf")],
            unit="{broker}",
            description="Brokers through which no heartbeat of this server has come back for 15 seconds.",
        )

    def _measure_nodes(self) -> None:
        self._meter.create_observable_up_down_counter(
            "hubline.nodes.forwarding",
            [self._of_nodes("forwarding")],
            unit="{request}",
            description="Requests under way for connections of other nodes.",
        )
        self._meter.create_observable_counter(
            "hubline.nodes.lost_links",
            [self._of_nodes("lost_links")],
            unit="{link}",
            description="Links between this node and others that have ended.",
        )

    def _everything(self) -> list[Counts]:
        """The counts of each app and worker."""
        return [counts for source in self._sources for counts in source.now()]

    def _of_nodes(self, field: str) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def read(_: CallbackOptions) -> Iterable[Observation]:
            return _observed((found["nodes"][field], where) for where, found in self._everything() if "nodes" in found)

        return read

    def _of_backplanes(self, field: str) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def read(_: CallbackOptions) -> Iterable[Observation]:
            counts = [(where, found["backplane"]) for where, found in self._everything() if "backplane" in found]
            return _observed((found[field], where) for where, found in counts)

        return read

    def _lag(self, _: CallbackOptions) -> Iterable[Observation]:
        lags: list[tuple[float, Attributes]] = []
        for where, counts in self._everything():
            found = counts.get("backplane", {"lag": None, "brokers": {}})
            for broker, each in found["brokers"].items() or [("", found)]:
                if each["lag"] is not None:
                    lags.append((each["lag"], {**({"hubline.backplane.broker": broker} if broker else {}), **where}))
        return _observed(lags, add=max)

    def _of_transports(self, field: str) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def read(_: CallbackOptions) -> Iterable[Observation]:
            return _observed((getattr(found["transports"], field), where) for where, found in self._everything())

        return read

    def _of_hubs(self, field: str) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def read(_: CallbackOptions) -> Iterable[Observation]:
            return _observed(
                (counts[field], {"rpc.service": hub, **where})
                for where, found in self._everything()
                for hub, counts in found["hubs"].items()
            )

        return read


def _observed(
    counts: Iterable[tuple[float, Attributes]], add: Callable[[float, float], float] = operator.add
) -> list[Observation]:
    """One for each set of attributes: several apps, or a worker and the one that replaces it, are added."""
    found: dict[tuple[tuple[str, Any], ...], float] = {}
    for count, attributes in counts:
        key = tuple(attributes.items())
        found[key] = add(found[key], count) if key in found else count
    return [Observation(count, dict(key)) for key, count in found.items()]


class _Operation:
    """A span while it is the current one."""

    __slots__ = ("_span", "_token")

    def __init__(self, span: Span, token: Token[Context]) -> None:
        self._span, self._token = span, token

    def end(self, error: BaseException | None) -> None:
        contexts.detach(self._token)
        if error is not None:
            self._span.set_attribute("error.type", _name(type(error)))
            self._span.set_status(StatusCode.ERROR)
        self._span.end()


def _name(kind: type) -> str:
    """The name of a class with its module; for a built-in class without it."""
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
