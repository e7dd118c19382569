"""The hubs of one app: one runtime for each hub class, at any number of paths."""

from collections.abc import Iterator, Sequence
from typing import Any

from hubline._clock import Clock
from hubline._tasks import TaskOwner
from hubline.auth.policies import Policies
from hubline.backplanes.subscriptions import Subscriptions
from hubline.errors import ConfigurationError
from hubline.routes import HubRoute, class_and_factory
from hubline.server.filters import HubFilter
from hubline.server.hub import Hub
from hubline.server.observer import Observer
from hubline.server.options import HubOptions
from hubline.server.runtime import HubRuntime
from hubline.wire.codec import Codec
from hubline.wire.json import JsonCodec
from hubline.wire.msgpack import MessagePackCodec

_CODECS: dict[str, type[JsonCodec | MessagePackCodec]] = {"json": JsonCodec, "messagepack": MessagePackCodec}


def codecs_of(options: HubOptions) -> list[Codec]:
    """The codecs of a hub with these options."""
    return [_CODECS[codec](field_names=options.field_names) for codec in options.codecs]


class Hubs:
    """Makes a runtime for each hub class, with the settings of the app."""

    def __init__(
        self,
        *,
        options: HubOptions,
        filters: Sequence[HubFilter],
        policies: Policies,
        clock: Clock,
        tasks: TaskOwner,
        observer: Observer | None,
        subscriptions: Subscriptions | None,
    ) -> None:
        self.options = options
        """For routes without options of their own."""
        self._filters, self._policies, self._clock, self._tasks = tuple(filters), policies, clock, tasks
        self._observer, self._subscriptions = observer, subscriptions
        self._runtimes: dict[type[Hub[Any]], HubRuntime] = {}

    def __iter__(self) -> Iterator[HubRuntime]:
        return iter(self._runtimes.values())

    def __getitem__(self, hub: type[Hub[Any]]) -> HubRuntime:
        return self._runtimes[hub]

    def runtime(self, route: HubRoute) -> HubRuntime:
        """The runtime of a route's hub: a new one, or the one that another path has already.

        Raises:
            ConfigurationError: with every mistake in the hub, or with the settings that differ between its paths.
        """
        hub, create = class_and_factory(route.hub)
        options, filters = route.options or self.options, (*self._filters, *route.filters)
        known = self._runtimes.get(hub)
        if known is None:
            return self._add(hub, create, options, filters, route.name)
        ours = {"options": options, "factories": create, "filters": filters}
        theirs = {"options": known.options, "factories": known.create, "filters": known.outer_filters}
        for what, one in ours.items():
            if one != theirs[what]:
                raise ConfigurationError([f"{hub.__qualname__} stands at two paths with different {what}"])
        return known

    def _add(
        self, hub: type[Hub[Any]], create: Any, options: HubOptions, filters: tuple[HubFilter, ...], name: str | None
    ) -> HubRuntime:
        runtime = self._runtimes[hub] = HubRuntime(
            hub,
            create,
            codecs=codecs_of(options),
            options=options,
            filters=filters,
            policies=self._policies,
            clock=self._clock,
            tasks=self._tasks,
            observer=self._observer,
            name=name,
            subscriptions=self._subscriptions,
        )
        names = [other.fanout.hub for other in self]
        if self._subscriptions is not None and names.count(runtime.fanout.hub) > 1:
            raise ConfigurationError([f"two hubs have the name {runtime.fanout.hub!r}"])
        return runtime

    def opened(self) -> None:
        """The lifespan of the app has begun."""
        for runtime in self:
            runtime.hub._opened()

    def begin_anew(self) -> None:
        """Forget every connection and its calls, because their event loop does not run any more."""
        for runtime in self:
            runtime.begin_anew()

    def close_all(self) -> None:
        """End every connection, and invite the clients to reconnect."""
        for runtime in self:
            runtime.fanout.close_all()

    def welcome(self) -> None:
        """Connections may stay again."""
        for runtime in self:
            runtime.fanout.leaving = False

    def statistics(self) -> dict[str, dict[str, int]]:
        """The counts of each hub, by its name."""
        return {runtime.fanout.hub: runtime.statistics() for runtime in self}
