"""Everything the connections of one hub share: its methods, options, filters, fan-out. Made once, at start-up."""

import asyncio
import functools
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from hubline._clock import Clock
from hubline._tasks import TaskOwner
from hubline.auth.policies import Policies, PolicyContext, requirements_of
from hubline.backplanes.subscriptions import Subscriptions
from hubline.connection import ConnectionScope, TransportConnection
from hubline.errors import FAILURES, ConfigurationError, ConnectionClosed, HubError
from hubline.server.binding import Readers
from hubline.server.calls import HubScope, invoke_method
from hubline.server.clients import ClientInterface
from hubline.server.connection import HubConnectionContext
from hubline.server.errors import NO_RESULT_IN_ON_CONNECTED
from hubline.server.fanout import FanOut
from hubline.server.filters import (
    HubFilter,
    Invoke,
    around_invoke,
    filters_of,
    filters_of_sends,
    run_connected,
    run_disconnected,
)
from hubline.server.hub import Hub, client_protocol
from hubline.server.invocations import Uploads
from hubline.server.methods import HubMethods
from hubline.server.options import HubOptions
from hubline.wire.codec import Codec
from hubline.wire.messages import Ping

logger = logging.getLogger("hubline.connection")


class HubRuntime:
    """One hub class at work.

    Raises:
        ConfigurationError: with every mistake in the hub, its methods, its client Protocol and its policies.
    """

    def __init__(
        self,
        hub: type[Hub[Any]],
        create: Callable[[], Hub[Any]],
        *,
        codecs: Sequence[Codec],
        options: HubOptions,
        filters: Sequence[HubFilter],
        policies: Policies,
        clock: Clock,
        tasks: TaskOwner,
        name: str | None = None,
        subscriptions: Subscriptions | None = None,
    ) -> None:
        self.hub, self.create, self.options, self.clock, self.tasks = hub, create, options, clock, tasks
        self.codecs = tuple(codecs)
        self.outer_filters, self.policies = tuple(filters), policies
        self.filters = (*self.outer_filters, *filters_of(*hub.__mro__))
        """Those given, and inside them the hub's own."""
        self.requirements = requirements_of(*hub.__mro__)
        self.hears_refreshes = hub.on_authentication_refreshed is not Hub.on_authentication_refreshed
        made_plainly = create is hub and hub.__init__ is Hub.__init__ and not self.filters
        self.hears_connections = not made_plainly or hub.on_connected is not Hub.on_connected
        """Whether anything of the user's sees a connection come: `on_connected`, filters, or whatever makes the hub."""
        self.hears_ends = not made_plainly or hub.on_disconnected is not Hub.on_disconnected
        self.interface = ClientInterface(client_protocol(hub))
        self.methods = self._inspect()
        self.readers = Readers()
        self.fanout = FanOut(
            name or f"{hub.__module__}.{hub.__qualname__}",
            options,
            clock,
            codecs=self.codecs,
            tasks=tasks,
            filters=filters_of_sends(self.filters),
            subscriptions=subscriptions,
        )
        self.chains: dict[str, Invoke] = {
            method.name: around_invoke((*self.filters, *method.filters), invoke_method) for method in self.methods.all
        }
        """Each method with every filter around it, by its name."""
        self.direct = frozenset(
            method.name for method in self.methods.all if (method.plain or method.generates) and not self.filters
        )
        """Methods that no filter is around, and that take nothing but what the caller sends."""
        self.open = frozenset(method.name for method in self.methods.all if not method.requirements) & self.direct
        """Those of them that everybody may call."""
        self._pings = {codec.name: codec.encode(Ping()) for codec in self.codecs}

    def _inspect(self) -> HubMethods:
        try:
            methods = HubMethods(self.hub, self.codecs, self.policies)
        except ConfigurationError as error:
            raise ConfigurationError([*self.interface.problems, *error.problems]) from None
        if self.interface.problems:
            raise ConfigurationError(self.interface.problems)
        return methods

    def serve(self, transport: TransportConnection) -> Coroutine[Any, Any, None]:
        """Run the hub for one connection: what a transport is given to run."""
        return HubConnectionContext(self, transport).run()

    async def authorize(self, scope: ConnectionScope) -> int | None:
        """Whether a connection may enter the hub: `None`, or the HTTP status that says why not.

        A policy's `HubError` is a refusal like any other: these answers have no body to carry its text. What else a
        policy raises is raised here.
        """
        if not self.requirements:
            return None
        if scope.identity is None:
            return 401
        context = PolicyContext(identity=scope.identity, scope=scope, hub=self.hub)
        try:
            return None if await self.policies.admit(self.requirements, context) else 403
        except HubError:
            return 403

    def ping_packet(self, codec: Codec) -> bytes:
        return self._pings[codec.name]

    async def on_connected(self, connection: HubConnectionContext) -> None:
        scope = HubScope(self, connection, results_refused=NO_RESULT_IN_ON_CONNECTED)
        await run_connected(self.filters, self.new_hub(scope))

    async def on_disconnected(
        self, connection: HubConnectionContext, uploads: Uploads, error: Exception | None
    ) -> BaseException | None:
        """What it raised, for `finish`."""
        try:
            await run_disconnected(self.filters, self.new_hub(HubScope(self, connection)), error)
        except FAILURES as failure:
            failure.add_note(f"raised by {self.hub.__qualname__}.on_disconnected, or by a filter around it")
            return failure
        finally:
            _fail(uploads)
        return None

    def new_hub(self, scope: HubScope) -> Hub[Any]:
        """A hub object for one call."""
        hub = self.create()
        hub.hubline_scope = scope
        return hub

    async def finish(self, connection: HubConnectionContext, uploads: Uploads, error: Exception | None) -> None:
        """Run `on_disconnected` to its end, also when the connection's own task is being cancelled.

        What it raises is raised here, or logged when nobody waits for it any more.
        """
        if not self.hears_ends:
            _fail(uploads)
            return
        ending = self.tasks.start(
            self.on_disconnected(connection, uploads, error),
            name="hubline: connection ends",
            context=connection.variables,
        )
        try:
            failure = await asyncio.shield(ending)
        except asyncio.CancelledError:
            ending.add_done_callback(functools.partial(_log_failure, connection.id))
            raise
        if failure is not None:
            raise failure


def _fail(uploads: Uploads) -> None:
    """The connection has ended: whoever reads an upload learns it."""
    uploads.fail_all(ConnectionClosed("The underlying connection was closed."))


def _log_failure(connection_id: str, ending: "asyncio.Task[BaseException | None]") -> None:
    if not ending.cancelled() and (failure := ending.result()) is not None:
        logger.error("connection %s: on_disconnected failed", connection_id, exc_info=failure)
