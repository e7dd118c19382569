"""The routes of an app, and how a request finds its route."""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import unquote

from starlette.datastructures import URLPath
from starlette.routing import BaseRoute, Host, Match, Mount, NoMatchFound
from starlette.types import ASGIApp, Receive, Scope, Send

from hubline._mistakes import Mistakes
from hubline.connection import ConnectionScope, TransportConnection
from hubline.errors import ConfigurationError
from hubline.server.filters import FILTERS, HubFilter, is_filters
from hubline.server.hub import Hub
from hubline.server.options import HubOptions
from hubline.transports.endpoint import HubEndpoint
from hubline.transports.options import TransportOptions

HubFactory: TypeAlias = Callable[[], Hub[Any]]
Handler: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class HubRoute:
    """A hub at a path, with settings of its own."""

    hub: type[Hub[Any]] | HubFactory
    """A hub class, or a plain function that makes a hub. It is called for each call, and once to learn the class."""
    options: HubOptions | None = None
    """Instead of the app's; `None` takes those."""
    transport: TransportOptions | None = None
    """Instead of the app's; `None` takes those."""
    filters: tuple[HubFilter, ...] = ()
    """The filters of this hub, the first outermost. They are inside those of the app."""
    name: str | None = None
    """The hub's name on a backplane; `None` for the module and name of the class. In .NET it is the class with its
    namespace: `Chat.Hubs.ChatHub`."""


@dataclass(frozen=True, slots=True)
class ConnectionRoute:
    """A raw connection at a path: it reads and writes bytes over any transport, without the hub protocol.

    `serve` runs once for each connection. When it returns, the connection is closed.
    """

    serve: Callable[[TransportConnection], Awaitable[None]]
    """Runs once for each connection. If it raises, the connection ends with an error."""
    transport: TransportOptions | None = None
    """Instead of the app's; `None` takes those."""


Route: TypeAlias = type[Hub[Any]] | HubFactory | HubRoute | ConnectionRoute


def checked(given: Route) -> HubRoute | ConnectionRoute:
    """What stands at a path, with settings of its own.

    Raises ConfigurationError with every mistake in those.
    """
    route = given if isinstance(given, HubRoute | ConnectionRoute) else HubRoute(given)
    if isinstance(route, ConnectionRoute):
        mistakes = Mistakes("ConnectionRoute")
        mistakes.function("serve", route.serve)
    else:
        mistakes = Mistakes("HubRoute")
        mistakes.fits("hub", route.hub, callable(route.hub), "a hub class, or a function that makes a hub")
        mistakes.instance("options", route.options, HubOptions, optional=True)
        mistakes.fits("filters", route.filters, is_filters(route.filters), FILTERS)
        mistakes.text("name", route.name, optional=True)
    mistakes.instance("transport", route.transport, TransportOptions, optional=True)
    mistakes.tell()
    return route


def class_and_factory(hub: type[Hub[Any]] | HubFactory) -> tuple[type[Hub[Any]], HubFactory]:
    """The class that will be inspected. A factory is called once to learn it; nothing of that hub runs.

    Raises ConfigurationError for what is no hub, or whatever a factory raises.
    """
    if not isinstance(hub, type):
        if inspect.iscoroutinefunction(hub):
            raise ConfigurationError(
                ["the factory is `async`: make it a plain function, which is called for each call"]
            )
        try:
            made = hub()
        except Exception as error:
            problem = f"the factory, which is called once at start-up to learn the class of its hub, raised {error!r}"
            raise ConfigurationError([problem]) from error
        if not isinstance(made, Hub):
            raise ConfigurationError([f"the factory makes a {type(made).__qualname__}, not a hubline.Hub"])
        return type(made), hub
    if not issubclass(hub, Hub):
        raise ConfigurationError([f"{hub.__qualname__} does not derive from hubline.Hub"])
    try:
        inspect.signature(hub).bind()
    except TypeError as error:
        problem = f"{hub.__qualname__} needs arguments ({error}): give a factory, `lambda: {hub.__name__}(…)`"
        raise ConfigurationError([problem]) from None
    return hub, hub


class RoutingTable:
    """Handlers by path: of each route its own path, `negotiate` and `refresh` below it.

    As in the original, paths are found without regard to case and with one slash more at their end.
    """

    def __init__(self) -> None:
        self._handlers: dict[str, Handler] = {}
        self._refreshes: dict[str, Handler] = {}
        self._written: dict[str, str] = {}
        self.paths: dict[object, str] = {}
        """By the endpoints."""

    def add(self, path: str, endpoint: HubEndpoint) -> None:
        """Raises ConfigurationError when another route has the path."""
        below = "" if path == "/" else path
        self.paths[endpoint] = path
        for place, handler in ((path, endpoint.connect), (f"{below}/negotiate", endpoint.negotiate)):
            other = self._written.setdefault(_folded(place), path)
            if other != path:
                raise ConfigurationError([f"clients of {other!r} ask for the same path: case does not count"])
            self._handlers[_folded(place)] = handler
        self._refreshes[_folded(f"{below}/refresh")] = endpoint.refresh

    def find(self, path: str) -> Handler | None:
        """What answers at a path below the mount."""
        folded = _folded(path)
        return self._handlers.get(folded) or self._refreshes.get(folded)  # there may be a hub at `/chat/refresh`


def path_problem(path: Any) -> str:
    """Why no request can have this path, if that is so."""
    if not isinstance(path, str):
        return f"the path {path!r} must be a text"
    if not path.startswith("/") or (path != "/" and path.endswith("/")):
        return f"the path {path!r} must begin with a slash and not end with one"
    if "//" in path or "?" in path or "#" in path:
        return f"the path {path!r} must be the path of an address alone, with single slashes"
    if "{" in path:
        return f"the path {path!r} has a parameter: give it to the mount, as `Mount('/{{tenant}}', hubs)`"
    if unquote(path) != path:
        return f"the path {path!r} must be written decoded: {unquote(path)!r}"
    return ""


def same_path(one: str, other: str) -> bool:
    """Whether the same route is meant."""
    return _folded(one) == _folded(other)


def path_below_mount(scope: Scope) -> str:
    """The path without the part that a framework has mounted us under, which ASGI keeps in front of it.

    hypercorn leaves its own `root_path` out of the path; Starlette notes it as `app_root_path` and adds its mounts.
    """
    path, root = scope["path"], scope.get("root_path", "")
    if not root and path.startswith("/"):
        return str(path)
    for prefix in (root, root.removeprefix(scope.get("app_root_path", ""))):
        cut = prefix.rstrip("/")
        if path == cut or path.startswith(cut + "/"):
            below, more = path[len(cut) :], prefix[len(cut) :]  # of `/live/` uvicorn makes `/live//chat`
            return below[len(more) :] if below.startswith(more + "/") else below or "/"
    return str(path)


def open_mount_points(app: Any, hubs: ASGIApp) -> None:
    """Wherever `hubs` is mounted in a Starlette application, at `/hubs` for instance, have it answer `/hubs` too.

    Starlette's `Mount` passes on `/hubs/` and what is below: a WebSocket at `/hubs` would be refused, and any other
    request redirected.
    """
    routes: list[BaseRoute] = getattr(app, "routes", [])
    for mount in [route for route in routes if isinstance(route, Mount | Host)]:
        inner = mount.app
        while inner is not hubs and not hasattr(inner, "routes") and hasattr(inner, "app"):
            inner = inner.app  # middleware around it
        if inner is not hubs:
            open_mount_points(inner, hubs)
        elif isinstance(mount, Mount) and not any(
            isinstance(each, _MountPoint) and each.mount is mount for each in routes
        ):
            routes.insert(routes.index(mount) + 1, _MountPoint(mount))


class _MountPoint(BaseRoute):
    """The path of a mount itself, without a slash behind it."""

    def __init__(self, mount: Mount) -> None:
        self.mount = mount

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] in ("http", "websocket"):
            match, found = self.mount.matches({**scope, "path": scope["path"] + "/"})
            if match is Match.FULL and path_below_mount({**scope, **found}) == "/":
                return match, found
        return Match.NONE, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.mount.handle(scope, receive, send)

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        raise NoMatchFound(name, path_params)


def _folded(path: str) -> str:
    return path.removesuffix("/").lower()


async def admit_all(scope: ConnectionScope) -> None:
    """Who may enter a raw connection: anybody that `authenticate` lets in."""
