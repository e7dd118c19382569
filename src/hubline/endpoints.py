"""The endpoints of an app: for each path of its routes, what answers there."""

import functools
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from hubline.app_settings import AppSettings
from hubline.connection import ConnectionScope, TransportConnection
from hubline.errors import ConfigurationError
from hubline.hubs import Hubs
from hubline.nodes.node import Node
from hubline.routes import ConnectionRoute, Route, RoutingTable, admit_all, checked, path_problem
from hubline.server.connection import serve
from hubline.server.description import HubDescription, describe
from hubline.transports.endpoint import HubEndpoint
from hubline.transports.options import TransportOptions
from hubline.transports.registry import ConnectionRegistry

if TYPE_CHECKING:  # it needs the extra `otel`
    from hubline.telemetry import Telemetry


class Endpoints:
    """Makes an endpoint for each route, and the table by which requests find it."""

    def __init__(self, given: AppSettings, hubs: Hubs, registry: ConnectionRegistry, node: Node | None) -> None:
        self.table = RoutingTable()
        self.descriptions: list[HubDescription] = []
        """Of every hub, in the order of the routes."""
        self._given, self._hubs, self._registry, self._node = given, hubs, registry, node
        self._telemetry: Telemetry | None = given.telemetry

    def add_all(self, routes: Mapping[str, Route], problems: list[str]) -> None:
        """Raises ConfigurationError with their mistakes, behind those of the settings."""
        cause: BaseException | None = None
        for path, route in routes.items():
            if problem := path_problem(path):
                problems.append(problem)
            try:
                self._add(str(path), route)
            except ConfigurationError as error:
                problems += [f"{path}: {problem}" for problem in error.problems]
                cause = cause or error.__cause__
        if problems:
            raise ConfigurationError(list(dict.fromkeys(problems))) from cause

    def _add(self, path: str, given: Route) -> None:
        route = checked(given)
        if isinstance(route, ConnectionRoute):
            endpoint = self._endpoint(route.serve, route.transport, admit_all, greets=False)
        else:
            runtime = self._hubs.runtime(route)
            may_change = runtime.options.allow_user_id_change_on_refresh
            serve_hub = functools.partial(serve, runtime)
            endpoint = self._endpoint(serve_hub, route.transport, runtime.authorize, user_may_change=may_change)
            ends_with_token = (route.transport or self._given.transport).close_on_token_expiry
            runtime.hub._served(endpoint.admission.admit, runtime.permit, ends_with_token)
            self.descriptions.append(describe(path, runtime))
        if self._node is not None:
            endpoint.elsewhere = self._node.door(path, endpoint)
        self.table.add(path, endpoint)

    def _endpoint(
        self,
        serve: Callable[[TransportConnection], Awaitable[None]],
        options: TransportOptions | None,
        authorize: Callable[[ConnectionScope], Awaitable[int | None]],
        *,
        user_may_change: bool = True,
        greets: bool = True,
    ) -> HubEndpoint:
        given, registry = self._given, self._registry
        if self._telemetry is not None:
            serve = self._telemetry.connections(serve, given.clock, lambda: registry.draining)
        return HubEndpoint(
            serve,
            registry=registry,
            options=options or given.transport,
            authenticate=given.authenticate,
            user_id=given.user_id,
            authorize=authorize,
            origin_allowed=given.origins.admits,
            addresses=given.addresses,
            user_may_change=user_may_change,
            greets=greets,
        )
