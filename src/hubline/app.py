"""`HubApp`: the only place that knows everything. Joins transports and hubs, and is the ASGI application."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from starlette.responses import PlainTextResponse
from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send

from hubline import _worker
from hubline._clock import Clock
from hubline._signals import StopSignals, server_drains
from hubline._tasks import TaskOwner
from hubline.app_settings import AppSettings
from hubline.auth.identity import Authenticate
from hubline.auth.policies import Policy
from hubline.backplanes.base import Backplane
from hubline.backplanes.subscriptions import Subscriptions
from hubline.draining import BeforeLeaving, OnDrain
from hubline.endpoints import Endpoints
from hubline.extensions import DRAIN
from hubline.fellow_workers import FellowWorkers
from hubline.hubs import Hubs
from hubline.nodes.node import Node
from hubline.nodes.settings import Nodes
from hubline.routes import Route, open_mount_points, path_below_mount, same_path
from hubline.server.clients import ClientT, HubClients
from hubline.server.description import HubDescription
from hubline.server.filters import HubFilter
from hubline.server.hub import Hub, HubContext
from hubline.server.options import HubOptions
from hubline.server.unfinished import describe_task, in_threads, user_code
from hubline.server.watchdog import BlockingWatchdog
from hubline.transports.admission import UserId
from hubline.transports.options import TransportOptions
from hubline.transports.registry import ConnectionRegistry
from hubline.transports.registry_statistics import RegistryStatistics

if TYPE_CHECKING:  # it needs the extra `otel`
    from hubline.telemetry import Telemetry

logger = logging.getLogger("hubline.app")

CALL_GRACE = 2.0
"""Seconds that calls and streams have at the end for their `finally` blocks, from their cancellation. Ours."""

LAST_POLL = 1.0
"""Seconds to wait for the next poll of a client when the server accepts no more connections. Some servers still accept
a request on an open connection. Ours."""


class HubApp:
    """An ASGI application with hubs at paths. Any server can run it, and FastAPI or Starlette can mount it anywhere.

    If it is mounted, give its `lifespan` to the outer application: it asks clients to leave at shutdown. A hub class at
    several paths is one hub: its clients can reach each other.

    `authenticate` says who a request comes from. The default is the user that Starlette's `AuthenticationMiddleware`
    has found. `user_id` returns the id for `clients.user(…)`; the default is that of the identity. A connection keeps
    the id of its first request. A `backplane` joins the hubs of several apps. With `nodes`, a load balancer in front of
    them needs no sticky sessions. `allowed_origins` are the origins of web pages that may connect in addition to the
    app's own, and sets up CORS for them. `allowed_headers` are headers that they may send in addition to those of
    official clients. `trusted_proxies` are the addresses and networks whose `X-Forwarded-For` is
    trusted (`unix`: a Unix socket). At shutdown, clients have `drain_timeout` seconds to leave.
    SIGTERM and SIGINT start that on servers that do not do it themselves, unless `drain_on_signals` is off. `on_drain`,
    plain or async, runs once before clients are asked to leave, for half of this time at most; new connections are
    already refused. `readiness_path` answers 200, and 503 after draining has begun or while the backplane is out of
    reach. The log names an `async def` method that blocks the event loop for longer than `blocking_warning` seconds.
    `telemetry` is a `hubline.telemetry.Telemetry`, which makes spans and metrics.

    Raises:
        ConfigurationError: lists every mistake in all hubs and settings.
    """

    def __init__(
        self,
        routes: Mapping[str, Route],
        *,
        options: HubOptions | None = None,
        transport: TransportOptions | None = None,
        authenticate: Authenticate | None = None,
        user_id: UserId | None = None,
        policies: Mapping[str, Policy] | None = None,
        filters: Sequence[HubFilter] = (),
        backplane: Backplane | None = None,
        nodes: Nodes | None = None,
        allowed_origins: Sequence[str] = (),
        allowed_headers: Sequence[str] = (),
        trusted_proxies: Sequence[str] = (),
        drain_timeout: float = 10.0,
        drain_on_signals: bool = True,
        on_drain: OnDrain | None = None,
        readiness_path: str | None = "/readyz",
        blocking_warning: float | None = 0.1,
        telemetry: "Telemetry | None" = None,
        clock: Clock | None = None,
    ) -> None:
        given = AppSettings(
            routes=routes,
            options=options,
            transport=transport,
            authenticate=authenticate,
            user_id=user_id,
            policies=policies,
            filters=filters,
            backplane=backplane,
            nodes=nodes,
            allowed_origins=allowed_origins,
            allowed_headers=allowed_headers,
            trusted_proxies=trusted_proxies,
            drain_timeout=drain_timeout,
            drain_on_signals=drain_on_signals,
            on_drain=on_drain,
            readiness_path=readiness_path,
            blocking_warning=blocking_warning,
            telemetry=telemetry,
            clock=clock,
        )
        self._set_up(given)

    def _set_up(self, given: AppSettings) -> None:
        self._clock, self._authenticate = given.clock, given.authenticate
        self._drain_on_signals, self._readiness_path = given.drain_on_signals, given.readiness_path
        self._registry = ConnectionRegistry(given.transport, self._clock)
        self._node = None if given.nodes is None else Node(given.nodes, self._clock)
        if self._node is not None and given.nodes is not None and given.nodes.listen is not None:
            self._registry.new_token = self._node.new_token
        self._tasks = TaskOwner("hubline.app", describe=describe_task)
        self._subscriptions = None if given.backplane is None else Subscriptions(given.backplane, self._tasks)
        self._loop: asyncio.AbstractEventLoop | None = None
        """The event loop that all connections belong to: the latest one."""
        self._hubs = Hubs(
            options=given.options,
            filters=given.filters,
            policies=given.policies,
            clock=self._clock,
            tasks=self._tasks,
            observer=given.telemetry,
            subscriptions=self._subscriptions,
        )
        self._before_leaving = BeforeLeaving(given.on_drain, given.drain_timeout, self._clock, self._tasks)
        self._drained: asyncio.Task[None] | None = None
        self._mounted_in: Any = None
        endpoints = Endpoints(given, self._hubs, self._registry, self._node)
        endpoints.add_all(given.routes, given.problems)
        self._table, self._descriptions = endpoints.table, endpoints.descriptions
        self._telemetry = given.telemetry
        if given.telemetry is not None:
            given.telemetry.watch(self.statistics)
        self._fellows: FellowWorkers | None = None
        if (worker := _worker.current) is not None:
            self._fellows = FellowWorkers(worker, self._own_statistics, self._in_turns, lambda: self._welcoming)
        self._watched = user_code(self._hubs)
        limit = given.blocking_warning
        self._watchdog = BlockingWatchdog(limit, self._watched) if limit is not None else None
        self._app: ASGIApp = given.origins.cors(self._handle)
        self._router = Router(lifespan=self.lifespan)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._router(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    @asynccontextmanager
    async def lifespan(self, app: Any = None) -> AsyncIterator[dict[str, Any]]:
        """The lifespan of the app. Return its state from an outer lifespan, so that a server can drain first.

        At its end, clients are asked to leave and calls are cancelled. The log names calls that do not end, and they
        are abandoned. Connections that are opened before or after the lifespan are served as well.
        """
        self._enter_loop()
        self._open_mount_points(app)
        self._reopen()
        if self._node is not None:
            await self._node.open()
        if self._fellows is not None:
            self._fellows.start()
        signals = StopSignals(self._heard_signal)
        if self._drain_on_signals and not server_drains.get():
            signals.listen()
        if self._watchdog is not None:
            self._watchdog.start()
        if self._subscriptions is not None:
            self._tasks.start(self._subscriptions.open(), name="hubline: backplane")
        self._hubs.opened()
        try:
            yield {DRAIN: [self._leave]}
        finally:
            signals.stop()
            await self._end()

    async def _end(self) -> None:
        self._tasks.start(self._registry.give_up_polls(after=LAST_POLL))
        await self.drain()
        await self._registry.close()
        await self._tasks.cancel(CALL_GRACE)
        if self._fellows is not None:
            await self._fellows.close()
        if self._subscriptions is not None:
            await self._subscriptions.close()
        if self._node is not None:
            await self._node.close()
        for method in in_threads(self._watched):
            logger.error("%s is still running in a thread, which nothing can end, and is abandoned", method)
        if self._watchdog is not None:
            self._watchdog.stop()
        self._reopen()

    def _reopen(self) -> None:
        self._registry.draining, self._drained = False, None
        self._hubs.welcome()
        self._before_leaving.begin_anew()

    def _heard_signal(self) -> None:
        if not self._registry.draining:
            self._tasks.start(self._leave())

    async def _leave(self) -> None:
        """Drain, then end what is left. A server may wait for our requests, and only then end the lifespan."""
        await self.drain()
        await self._registry.close(CALL_GRACE)

    def _enter_loop(self) -> None:
        """State belongs to an event loop: in another one, when the former does not run any more, it begins anew."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # a thread that hands what it makes of a context over to the loop
            return
        if loop is self._loop or (self._loop is not None and self._loop.is_running()):
            return
        if self._loop is not None:
            self._tasks.forget()
            self._registry.begin_anew()
            if self._subscriptions is not None:
                self._subscriptions.begin_anew()
            if self._node is not None:
                self._node.begin_anew()
            if self._fellows is not None:
                self._fellows.begin_anew()
            self._hubs.begin_anew()
            self._reopen()
            if self._watchdog is not None:
                self._watchdog.stop()
        self._loop = loop
        if self._node is not None:
            self._node.start()
        if self._fellows is not None:
            self._fellows.start()

    def context(self, hub: type[Hub[ClientT]]) -> HubContext[ClientT]:
        """The clients and groups of a hub, for code outside of it. Raises KeyError if the app does not have the hub."""
        runtime = self._hubs[hub]
        return HubContext(HubClients(runtime.fanout, runtime.interface), runtime.fanout.groups, self._enter_loop)

    def describe(self) -> list[HubDescription]:
        """Every hub with its methods, and the methods of its client Protocol."""
        return list(self._descriptions)

    @property
    def ready(self) -> bool:
        """Whether new connections are welcome: not once draining has begun, nor while the backplane is out of reach.

        In a worker of `hubline run --workers`: also not while the backplane is out of reach for another worker, since a
        new connection may come to any.
        """
        return not self._registry.draining and self._welcoming and (self._fellows is None or self._fellows.ready)

    @property
    def _welcoming(self) -> bool:
        """Whether the backplane is in reach for this process. If it leaves, clients come to others instead."""
        return self._registry.draining or self._subscriptions is None or self._subscriptions.ready

    async def drain(self) -> None:
        """Refuse new connections, run `on_drain`, ask every client to reconnect, and wait until they have left.

        Takes at most `drain_timeout` seconds. The server must close connections that are still open then. A second call
        waits for the end of the first.
        """
        self._enter_loop()
        self._registry.draining = True
        await self._before_leaving.run()
        self._hubs.close_all()
        if self._drained is None:
            self._tasks.start(self._registry.end_inputs())
            self._drained = self._tasks.start(self._until_left(self._before_leaving.left))
        await asyncio.shield(self._drained)

    async def _until_left(self, limit: float) -> None:
        if self._node is None:
            await self._registry.drain(limit)
        else:
            await asyncio.gather(self._registry.drain(limit), self._node.drain(limit))

    def statistics(self) -> dict[str, Any]:
        """Present counts: connections and what is queued for them; groups, calls and streams of each hub.

        In a worker of `hubline run --workers` they are those of all workers together, and `workers` has a dict for
        each: the same counts, its `number`, its `pid`, and `age`, how many seconds ago it has told them. A worker tells
        them every second, with many connections less often (1,000 a second), and is left out when five times
        are missing. May be called in any thread.
        """
        return self._own_statistics() if self._fellows is None else self._fellows.all()

    def _own_statistics(self) -> dict[str, Any]:
        return self._beside(self._registry.statistics())

    async def _in_turns(self) -> dict[str, Any]:
        return self._beside(await self._registry.statistics_in_turns())

    def _beside(self, transports: RegistryStatistics) -> dict[str, Any]:
        found: dict[str, Any] = {"transports": transports, "hubs": self._hubs.statistics()}
        if self._subscriptions is not None:
            found["backplane"] = self._subscriptions.statistics()
        if self._node is not None:
            found["nodes"] = self._node.statistics()
        if self._telemetry is not None:
            found |= self._telemetry.counts()
        return found

    def _handle(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        path = path_below_mount(scope)
        if (router := scope.get("router")) is not self._mounted_in:
            self._open_mount_points(router)
        handler = self._table.find(path)
        if handler is None:
            return self._handle_other(path, scope, receive, send)
        self._enter_loop()
        if self._watchdog is not None:
            self._watchdog.start()
        return handler(scope, receive, send)

    async def _handle_other(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000, "reason": ""})
        elif self._readiness_path is not None and same_path(path, self._readiness_path):
            why = "ready" if self.ready else "draining" if self._registry.draining else "no backplane"
            await PlainTextResponse(why, 200 if self.ready else 503)(scope, receive, send)
        else:
            await PlainTextResponse("Not Found", 404)(scope, receive, send)

    def _open_mount_points(self, app: Any) -> None:
        """At the start of the application that we are mounted in; without its lifespan, at the first request."""
        if app is not None:
            self._mounted_in = app
            if self._table.find("/"):
                open_mount_points(app, self)
