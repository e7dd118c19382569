"""What can stand at a path of an app, and how a request finds it."""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from starlette.types import Scope

from hubline.connection import TransportConnection
from hubline.errors import ConfigurationError
from hubline.server.filters import HubFilter
from hubline.server.hub import Hub
from hubline.server.options import HubOptions
from hubline.transports.options import TransportOptions

HubFactory: TypeAlias = Callable[[], Hub[Any]]


@dataclass(frozen=True, slots=True)
class HubRoute:
    """A hub at a path, with settings of its own."""

    hub: type[Hub[Any]] | HubFactory
    """A hub class, or a function that makes a hub object for each call."""
    options: HubOptions | None = None
    """Instead of the app's; `None` takes those."""
    transport: TransportOptions | None = None
    """Instead of the app's; `None` takes those."""
    filters: tuple[HubFilter, ...] = ()
    """Around the calls of this hub, the first outermost; the app's stand outside of them."""


@dataclass(frozen=True, slots=True)
class ConnectionRoute:
    """A raw connection at a path: bytes in, bytes out, over any transport, without hub protocol.

    `serve` runs once for each connection; when it returns, the connection is closed.
    """

    serve: Callable[[TransportConnection], Awaitable[None]]
    """Runs once for each connection. What it raises ends the connection with an error."""
    transport: TransportOptions | None = None
    """Instead of the app's; `None` takes those."""


Route: TypeAlias = type[Hub[Any]] | HubFactory | HubRoute | ConnectionRoute


def class_and_factory(hub: type[Hub[Any]] | HubFactory) -> tuple[type[Hub[Any]], HubFactory]:
    """The class that will be inspected. A factory is called once to learn it; nothing of that hub runs."""
    if not isinstance(hub, type):
        made = hub()
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


def path_below_mount(scope: Scope) -> str:
    """The path without the part that a framework has mounted us under, which ASGI keeps in front of it."""
    path, root = scope["path"], scope.get("root_path", "").rstrip("/")
    below = path[len(root) :] if root and (path == root or path.startswith(root + "/")) else path
    return below.rstrip("/") or "/"
