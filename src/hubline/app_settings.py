"""The settings of a `HubApp`, checked before use."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from hubline import _worker
from hubline._clock import MonotonicClock
from hubline._mistakes import Mistakes
from hubline.auth.identity import application_user, asynchronous
from hubline.auth.policies import Policies
from hubline.backplanes.local import LocalBackplane
from hubline.nodes.settings import Nodes
from hubline.routes import path_problem
from hubline.server.filters import FILTERS, HubFilter, is_filters
from hubline.server.options import HubOptions
from hubline.transports.addresses import Addresses
from hubline.transports.options import TransportOptions
from hubline.transports.origins import Origins


class AppSettings:
    """The valid settings. An invalid one counts as not given, so that mistakes in hubs are found too."""

    def __init__(
        self,
        *,
        routes: Any,
        options: Any,
        transport: Any,
        authenticate: Any,
        user_id: Any,
        policies: Any,
        filters: Any,
        backplane: Any,
        nodes: Any,
        allowed_origins: Any,
        allowed_headers: Any,
        trusted_proxies: Any,
        drain_timeout: Any,
        drain_on_signals: Any,
        on_drain: Any,
        readiness_path: Any,
        blocking_warning: Any,
        telemetry: Any,
        clock: Any,
    ) -> None:
        """Values of any type; their type hints are those of `HubApp`."""
        mistakes = Mistakes("HubApp")
        wanted = 'a dict with paths, as `HubApp({"/chat": Chat})`'
        self.routes = mistakes.fits("routes", routes, isinstance(routes, Mapping), wanted) or {}
        self.options = mistakes.instance("options", options, HubOptions, optional=True) or HubOptions()
        self.transport = (
            mistakes.instance("transport", transport, TransportOptions, optional=True) or TransportOptions()
        )
        self.authenticate = asynchronous(
            mistakes.function("authenticate", authenticate, optional=True) or application_user
        )
        self.user_id = mistakes.function("user_id", user_id, optional=True)
        if inspect.iscoroutinefunction(user_id):
            mistakes.found.append("user_id must be a plain function; what it has to wait for belongs into authenticate")
        self.policies = Policies(_policies(mistakes, policies))
        self.filters: Sequence[HubFilter] = mistakes.fits("filters", filters, is_filters(filters), FILTERS) or ()
        wanted = "a backplane, as `MemoryBackplane()`"
        self.backplane = mistakes.has("backplane", backplane, wanted, "connect", optional=True)
        self.nodes = mistakes.instance("nodes", nodes, Nodes, optional=True)
        self._join_the_workers()
        given = {"allowed_origins": allowed_origins, "allowed_headers": allowed_headers}
        origins, headers = (mistakes.texts(name, value) or () for name, value in given.items())
        proxies = mistakes.texts("trusted_proxies", trusted_proxies) or ()
        self.origins = mistakes.check(lambda: Origins(origins, headers)) or Origins()
        self.addresses = mistakes.check(lambda: Addresses(proxies)) or Addresses()
        self.drain_timeout: float = mistakes.number("drain_timeout", drain_timeout, least=0) or 0.0
        self.drain_on_signals = mistakes.flag("drain_on_signals", drain_on_signals)
        self.on_drain = mistakes.function("on_drain", on_drain, optional=True)
        self.readiness_path = mistakes.text("readiness_path", readiness_path, optional=True)
        path = self.readiness_path
        if path is not None and (problem := path_problem(path.removesuffix("/") or path)):  # with or without: the same
            mistakes.found.append(f"HubApp.readiness_path: {problem}")
        self.blocking_warning = mistakes.number("blocking_warning", blocking_warning, above=0, optional=True)
        wanted = "a `Telemetry` object"
        self.telemetry = mistakes.has("telemetry", telemetry, wanted, "connections", "watch", optional=True)
        self.clock = mistakes.has("clock", clock, "a clock", "now", "sleep", optional=True) or MonotonicClock()
        self.problems = mistakes.found

    def _join_the_workers(self) -> None:
        """In a worker of `hubline run --workers`: the backplane and the nodes, unless others are given."""
        worker = _worker.current
        if worker is not None:
            self.backplane = self.backplane or LocalBackplane(worker.hub)
            self.nodes = self.nodes or Nodes(secret=worker.secret, listen=f"unix:{worker.new_socket()}")


def _policies(mistakes: Mistakes, given: Any) -> Any:
    right = isinstance(given, Mapping) and all(
        isinstance(name, str) and callable(policy) for name, policy in given.items()
    )
    return mistakes.fits("policies", given, right, "a dict with names and functions", optional=True)
