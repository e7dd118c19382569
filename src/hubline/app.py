"""`HubApp`: the only place that knows everything. Joins transports and hubs, and is the ASGI application."""

import asyncio
import functools
import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from starlette.responses import PlainTextResponse
from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send

from hubline._clock import Clock, MonotonicClock
from hubline._signals import StopSignals, server_drains
from hubline._tasks import TaskOwner
from hubline.auth.identity import Authenticate, application_user, asynchronous
from hubline.auth.policies import Policies, Policy
from hubline.backplanes.base import Backplane
from hubline.backplanes.subscriptions import Subscriptions
from hubline.connection import ConnectionScope, TransportConnection
from hubline.draining import BeforeLeaving, OnDrain
from hubline.errors import ConfigurationError
from hubline.extensions import DRAIN
from hubline.hubs import Hubs
from hubline.routes import (
    ConnectionRoute,
    HubRoute,
    Route,
    RoutingTable,
    admit_all,
    open_mount_points,
    path_below_mount,
    path_problem,
    same_path,
)
from hubline.server.clients import ClientT, HubClients
from hubline.server.connection import serve
from hubline.server.description import HubDescription, describe
from hubline.server.filters import HubFilter
from hubline.server.hub import Hub, HubContext
from hubline.server.options import HubOptions
from hubline.server.unfinished import describe_task, in_threads, user_code
from hubline.server.watchdog import BlockingWatchdog
from hubline.transports.addresses import Addresses
from hubline.transports.admission import UserId
from hubline.transports.endpoint import HubEndpoint
from hubline.transports.options import TransportOptions
from hubline.transports.origins import Origins
from hubline.transports.registry import ConnectionRegistry

if TYPE_CHECKING:  # it needs the extra `otel`
    from hubline.telemetry import Telemetry

logger = logging.getLogger("hubline.app")

CALL_GRACE = 2.0
"""Seconds that calls and streams have at the end for their `finally` blocks, from their cancellation. Ours."""

LAST_POLL = 1.0
"""Seconds for a client between two polls to come for its last words once the server is closed. By ASGI it cannot; some
servers still let it. Ours."""


class HubApp:
    """Hubs by path, as an ASGI application that any server runs and FastAPI or Starlette can mount anywhere.

    Give its `lifespan` to the application it is mounted in: at shutdown it says good-bye to the clients. A hub class
    that stands at several paths is one hub: its clients reach each other.

    `authenticate` says who a request comes from, before anything else is done for it; without it, the user that an
    `AuthenticationMiddleware` of Starlette has found. `user_id` says by which name `clients.user(…)` finds
    a connection, which keeps the one of its first request; without it, the identity's. A `backplane` joins the hubs of
    several apps: their clients reach each other. `allowed_origins` are the web
    pages that may connect besides those of the same origin; it sets up CORS for them. `allowed_headers` are what
    they may send besides the headers of official clients. `trusted_proxies` are the addresses and networks whose
    `X-Forwarded-For` is believed (`unix`: a Unix socket). `drain_timeout` seconds are given to clients to leave at
    shutdown, which begins at SIGTERM or SIGINT, unless `drain_on_signals` is off and the server does not see to it.
    `on_drain`, plain or async, runs once before that, with half of this time at most: no new clients come meanwhile.
    `readiness_path` answers 200, and 503 once draining has begun. An `async def` method that blocks the loop for longer
    than `blocking_warning` seconds is named in the log. `telemetry` is a `hubline.telemetry.Telemetry`, which makes
    spans and metrics.

    Raises:
        ConfigurationError: with every mistake in all hubs and settings.
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
        self._clock, self._telemetry = clock or MonotonicClock(), telemetry
        self._transport = transport or TransportOptions()
        self._authenticate, self._user_id = asynchronous(authenticate or application_user), user_id
        self._drain_on_signals, self._readiness_path = drain_on_signals, readiness_path
        self._registry = ConnectionRegistry(self._transport, self._clock)
        self._tasks = TaskOwner("hubline.app", describe=describe_task)
        self._subscriptions = None if backplane is None else Subscriptions(backplane, self._tasks)
        self._loop: asyncio.AbstractEventLoop | None = None
        """The event loop that all connections belong to: the latest one."""
        self._hubs = Hubs(
            options=options or HubOptions(),
            filters=filters,
            policies=Policies(policies),
            clock=self._clock,
            tasks=self._tasks,
            observer=telemetry,
            subscriptions=self._subscriptions,
        )
        self._descriptions: list[HubDescription] = []
        self._before_leaving = BeforeLeaving(on_drain, drain_timeout, self._clock, self._tasks)
        self._drained: asyncio.Task[None] | None = None
        self._table = RoutingTable()
        self._mounted_in: Any = None
        self._origins, self._addresses = Origins(), Addresses()
        self._add_routes(routes, lambda: Origins(allowed_origins, allowed_headers), lambda: Addresses(trusted_proxies))
        if telemetry is not None:
            telemetry.watch(self.statistics)
        self._watched = user_code(self._hubs)
        self._watchdog = BlockingWatchdog(blocking_warning, self._watched) if blocking_warning is not None else None
        self._app: ASGIApp = self._origins.cors(self._handle)
        self._router = Router(lifespan=self.lifespan)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._router(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    @asynccontextmanager
    async def lifespan(self, app: Any = None) -> AsyncIterator[dict[str, Any]]:
        """Runs while the application does. Hand its state on, so that a server can drain before it closes sockets.

        At its end clients leave, calls are cancelled, and those that do not end are named in the log and abandoned.
        Connections that are opened without a lifespan, before or after, are served as well.
        """
        self._enter_loop()
        self._open_mount_points(app)
        self._reopen()
        signals = StopSignals(self._heard_signal)
        if self._drain_on_signals and not server_drains.get():
            signals.listen()
        if self._watchdog is not None:
            self._watchdog.start()
        try:
            yield {DRAIN: [self.drain]}
        finally:
            signals.stop()
            await self._end()

    async def _end(self) -> None:
        self._tasks.start(self._registry.give_up_polls(after=LAST_POLL))
        await self.drain()
        await self._registry.close()
        await self._tasks.cancel(CALL_GRACE)
        if self._subscriptions is not None:
            await self._subscriptions.close()
        for method in in_threads(self._watched):
            logger.error("%s is still running in a thread, which nothing can end, and is abandoned", method)
        if self._watchdog is not None:
            self._watchdog.stop()
        self._reopen()

    def _reopen(self) -> None:
        self._registry.draining, self._drained = False, None
        self._before_leaving.begin_anew()

    def _heard_signal(self) -> None:
        if not self._registry.draining:
            self._tasks.start(self.drain())

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
            self._hubs.begin_anew()
            self._reopen()
            if self._watchdog is not None:
                self._watchdog.stop()
        self._loop = loop

    def context(self, hub: type[Hub[ClientT]]) -> HubContext[ClientT]:
        """Clients and groups of a hub, to use from outside of it. Raises KeyError when the app has no such hub."""
        runtime = self._hubs[hub]
        return HubContext(HubClients(runtime.fanout, runtime.interface), runtime.fanout.groups, self._enter_loop)

    def describe(self) -> list[HubDescription]:
        """Every hub with its methods and what it calls on clients."""
        return list(self._descriptions)

    @property
    def ready(self) -> bool:
        """Whether new connections are welcome; false once draining has begun."""
        return not self._registry.draining

    async def drain(self) -> None:
        """Refuse new connections, run `on_drain`, ask every client to reconnect elsewhere, wait until they have left.

        At most `drain_timeout` seconds; what is still connected then stays for the server to cut. Calling it again
        waits for the same moment.
        """
        self._enter_loop()
        self._registry.draining = True
        await self._before_leaving.run()
        self._hubs.close_all()
        for session in self._registry:
            session.end_input()  # raw connections, and hub connections still in their handshake
        if self._drained is None:
            self._drained = self._tasks.start(self._registry.drain(self._before_leaving.left))
        await asyncio.shield(self._drained)

    def statistics(self) -> dict[str, Any]:
        """Counts of the moment: connections and what is queued for them; groups, calls and streams of each hub."""
        found: dict[str, Any] = {"transports": self._registry.statistics(), "hubs": self._hubs.statistics()}
        if self._subscriptions is not None:
            found["backplane"] = self._subscriptions.statistics()
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
            await PlainTextResponse("ready" if self.ready else "draining", 200 if self.ready else 503)(
                scope, receive, send
            )
        else:
            await PlainTextResponse("Not Found", 404)(scope, receive, send)

    def _open_mount_points(self, app: Any) -> None:
        """At the start of the application that we are mounted in; without its lifespan, at the first request."""
        if app is not None:
            self._mounted_in = app
            if self._table.find("/"):
                open_mount_points(app, self)

    def _add_routes(
        self, routes: Mapping[str, Route], origins: Callable[[], Origins], addresses: Callable[[], Addresses]
    ) -> None:
        problems: list[str] = []
        cause: BaseException | None = None
        if inspect.iscoroutinefunction(self._user_id):
            problems.append("user_id must be a plain function; what it has to wait for belongs into authenticate")
        try:
            self._origins = origins()
        except ConfigurationError as error:
            problems += error.problems
        try:
            self._addresses = addresses()
        except ConfigurationError as error:
            problems += error.problems
        for path, route in routes.items():
            if problem := path_problem(path):
                problems.append(problem)
            try:
                self._add_route(path, route)
            except ConfigurationError as error:
                problems += [f"{path}: {problem}" for problem in error.problems]
                cause = cause or error.__cause__
        if problems:
            raise ConfigurationError(list(dict.fromkeys(problems))) from cause

    def _add_route(self, path: str, route: Route) -> None:
        if isinstance(route, ConnectionRoute):
            endpoint = self._endpoint(route.serve, route.transport, admit_all)
        else:
            route = route if isinstance(route, HubRoute) else HubRoute(route)
            runtime = self._hubs.runtime(route)
            may_change = runtime.options.allow_user_id_change_on_refresh
            serve_hub = functools.partial(serve, runtime)
            endpoint = self._endpoint(serve_hub, route.transport, runtime.authorize, user_may_change=may_change)
            runtime.hub._served(endpoint.admission.admit)
            self._descriptions.append(describe(path, runtime))
        self._table.add(path, endpoint)

    def _endpoint(
        self,
        serve: Callable[[TransportConnection], Awaitable[None]],
        options: TransportOptions | None,
        authorize: Callable[[ConnectionScope], Awaitable[int | None]],
        *,
        user_may_change: bool = True,
    ) -> HubEndpoint:
        if self._telemetry is not None:
            serve = self._telemetry.connections(serve, self._clock, lambda: self._registry.draining)
        return HubEndpoint(
            serve,
            registry=self._registry,
            options=options or self._transport,
            authenticate=self._authenticate,
            user_id=self._user_id,
            authorize=authorize,
            origin_allowed=self._origins.admits,
            addresses=self._addresses,
            user_may_change=user_may_change,
        )
