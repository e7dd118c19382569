"""Spans and metrics through OpenTelemetry's API, with the names and attributes of ASP.NET Core's SignalR.

Needs the extra `otel`. Nothing in Hubline imports this: an application does, and gives a `Telemetry` to its `HubApp`.

Spans and their attributes: `DefaultHubDispatcher.StartActivity` in aspnetcore. Metrics: OpenTelemetry's semantic
conventions, "SignalR metrics", and `HttpConnectionsMetrics` in aspnetcore. Names that begin with `hubline.` are ours.
"""

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
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

from hubline._clock import Clock
from hubline.connection import TransportConnection
from hubline.server.observer import Outcome
from hubline.server.ports import HubConnection
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

MOMENT = 0.5
"""Seconds for which counts are cached, because a collection reads each metric separately. Ours."""

Serve: TypeAlias = Callable[[TransportConnection], Awaitable[None]]
Statistics: TypeAlias = Callable[[], Mapping[str, Any]]


class Telemetry:
    """Makes spans and metrics of what an app does for its clients. Several apps may share one object.

    Without providers it uses OpenTelemetry's global ones, which may also be set later. If there are none, nothing is
    recorded. docs/guides/telemetry.md lists the spans and metrics. Only Hubline calls the methods.
    """

    def __init__(
        self, *, tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
    ) -> None:
        self._tracer = get_tracer(SPANS, tracer_provider=tracer_provider)
        meter = get_meter(CONNECTIONS, meter_provider=meter_provider)
        self._duration = meter.create_histogram(
            "signalr.server.connection.duration",
            unit="s",
            description="The duration of connections on the server.",
            explicit_bucket_boundaries_advisory=BUCKETS,
        )
        self._active = meter.create_up_down_counter(
            "signalr.server.active_connections",
            unit="{connection}",
            description="Number of connections that are currently active on the server.",
        )
        self._meter = get_meter(OURS, meter_provider=meter_provider)
        self._calls = self._meter.create_counter(
            "hubline.server.calls", unit="{call}", description="Calls of clients that have ended, by outcome."
        )
        self._sources: list[_Source] = []
        self._measure()

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
        self._calls.add(1, attributes)

    def connections(self, serve: Serve, clock: Clock, draining: Callable[[], bool]) -> Serve:
        """Wrap `serve`, so that connections are counted and timed. It runs when the transport is known.

        The conventions write a transport as the enum does, in small letters: `web_sockets`.
        """

        async def counted(connection: TransportConnection) -> None:
            begun, transport = clock.now(), {"signalr.transport": connection.transport.name.lower()}
            self._active.add(1, transport)
            try:
                await serve(connection)
            finally:
                self._active.add(-1, transport)
                status = "app_shutdown" if draining() else "timeout" if connection.timed_out else "normal_closure"
                self._duration.record(clock.now() - begun, {**transport, "signalr.connection.status": status})

        return counted

    def watch(self, statistics: Statistics) -> None:
        """Register the function that returns an app's counts. It is called in the thread that collects the metrics."""
        self._sources.append(_Source(statistics))

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

    def _backplanes(self) -> list[Mapping[str, Any]]:
        return [found["backplane"] for each in self._sources if "backplane" in (found := each.now())]

    def _of_backplanes(self, field: str) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def read(_: CallbackOptions) -> Iterable[Observation]:
            found = self._backplanes()
            return [Observation(sum(each[field] for each in found))] if found else []

        return read

    def _lag(self, _: CallbackOptions) -> Iterable[Observation]:
        lags = [each["lag"] for each in self._backplanes() if each["lag"] is not None]
        return [Observation(max(lags))] if lags else []

    def _of_transports(self, field: str) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def read(_: CallbackOptions) -> Iterable[Observation]:
            return [Observation(sum(getattr(each.now()["transports"], field) for each in self._sources))]

        return read

    def _of_hubs(self, field: str) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def read(_: CallbackOptions) -> Iterable[Observation]:
            found: dict[str, int] = {}
            for each in self._sources:
                for hub, counts in each.now()["hubs"].items():
                    found[hub] = found.get(hub, 0) + counts[field]
            return [Observation(count, {"rpc.service": hub}) for hub, count in found.items()]

        return read


class _Source:
    """The counts of one app, read once for all metrics of a collection."""

    def __init__(self, statistics: Statistics) -> None:
        self._statistics = statistics
        self._read: Mapping[str, Any] = {}
        self._until = float("-inf")

    def now(self) -> Mapping[str, Any]:
        now = time.monotonic()
        if now >= self._until:
            self._read, self._until = self._statistics(), now + MOMENT
        return self._read


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
