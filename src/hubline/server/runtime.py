"""Everything the connections of one hub share: its methods, options, filters, fan-out. Made once, at start-up."""

import asyncio
import functools
import logging
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any, cast

from hubline._clock import Clock
from hubline._tasks import TaskOwner, ends_its_task
from hubline.auth.policies import Policies, PolicyContext, requirements_of
from hubline.backplanes.subscriptions import Subscriptions
from hubline.connection import ConnectionScope
from hubline.errors import ConfigurationError, ConnectionClosed, HubError
from hubline.server.calls import HubScope, Pipeline
from hubline.server.clients import ClientInterface
from hubline.server.error_texts import NO_RESULT_IN_ON_CONNECTED
from hubline.server.fanout import FanOut
from hubline.server.filters import HubFilter, filters_of, filters_of_sends
from hubline.server.gaps import Gaps
from hubline.server.hub import Hub, client_protocol
from hubline.server.invocations import Uploads
from hubline.server.methods import HubMethods
from hubline.server.observer import Observer
from hubline.server.options import HubOptions
from hubline.server.pipeline import PipelineBuilder
from hubline.server.ports import HubConnection
from hubline.wire.binding import Readers
from hubline.wire.codec import Codec
from hubline.wire.messages import Ping

logger = logging.getLogger("hubline.connection")


class HubRuntime:
    """The runtime of one hub class.

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
        observer: Observer | None = None,
        name: str | None = None,
        subscriptions: Subscriptions | None = None,
    ) -> None:
        self.hub, self.create, self.options, self.clock, self.tasks = hub, create, options, clock, tasks
        self.codecs = tuple(codecs)
        self.outer_filters, self.policies, self.observer = tuple(filters), policies, observer
        self.requirements = requirements_of(*hub.__mro__)
        self.interface: ClientInterface[Any] = ClientInterface(client_protocol(hub))
        self.methods = self._inspect()
        self.readers = Readers()
        around = (*self.outer_filters, *filters_of(*hub.__mro__))
        self.fanout = FanOut(
            name or f"{hub.__module__}.{hub.__qualname__}",
            options,
            clock,
            codecs=self.codecs,
            tasks=tasks,
            filters=filters_of_sends(around),
            subscriptions=subscriptions,
        )
        builder = PipelineBuilder(hub, create, around, policies, clock, observer)
        self.pipelines: dict[str, Pipeline] = {method.name: builder.pipeline(method) for method in self.methods.all}
        """By the names of the methods, as registered."""
        self.on_connected, self.on_disconnected = builder.on_connected(), builder.on_disconnected()
        """`None` if no code of the user runs for it."""
        self.on_authentication_refreshed = builder.on_authentication_refreshed()
        self._tell_gap = builder.on_backplane_gap()
        if subscriptions is not None and self._tell_gap is not None:
            subscriptions.on_gap.append(Gaps(self._gap, self._connections, tasks).interrupted)
        self.waiting = self.streams = 0
        self.received = 0
        """Messages of clients since the start, pings too."""
        self._pings = {codec.name: codec.encode(Ping()) for codec in self.codecs}

    def _inspect(self) -> HubMethods:
        try:
            methods = HubMethods(self.hub, self.codecs, self.policies)
        except ConfigurationError as error:
            raise ConfigurationError([*self.interface.problems, *error.problems]) from None
        if self.interface.problems:
            raise ConfigurationError(self.interface.problems)
        return methods

    def begin_anew(self) -> None:
        """Forget every connection and its calls, because their event loop does not run any more."""
        self.fanout.begin_anew()
        self.waiting = self.streams = 0

    def statistics(self) -> dict[str, int]:
        """Current counts: connections, groups, users, awaited answers of clients, bytes kept for stateful reconnects,
        calls that wait for their turn, streams.
        """
        return {**self.fanout.statistics(), "waiting_calls": self.waiting, "streams": self.streams}

    def find(self, target: str) -> Pipeline | None:
        """The pipeline for a name from a client. Case and underscores are ignored."""
        method = self.methods.find(target)
        return None if method is None else self.pipelines[method.name]

    async def authorize(self, scope: ConnectionScope) -> int | None:
        """Whether a connection may use the hub: `None`, or the HTTP status of the refusal.

        A `HubError` of a policy is a refusal; its text is not sent, because these responses have no body. Any other
        exception of a policy is raised here.
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

    async def permit(self, scope: ConnectionScope, attribute: str, arguments: Sequence[Any]) -> int | None:
        """Whether a request may do what a method does: `None`, or the HTTP status of the refusal.

        Nobody may do over HTTP what the hub hides. Filters are not asked. Raises what a policy raises.
        """
        where = f"{self.hub.__qualname__}.{attribute}"
        method = next((each for each in self.methods.all if each.where == where), None)
        if method is None:
            return 403
        if not method.requirements:
            return None
        if scope.identity is None:
            return 401
        named = {argument.name: value for argument, value in zip(method.arguments, arguments, strict=False)}
        context = PolicyContext(identity=scope.identity, scope=scope, hub=self.hub, method=method.name, arguments=named)
        return None if await self.policies.admit(method.requirements, context) else 403

    def _connections(self) -> Collection[HubConnection]:
        return cast("Collection[HubConnection]", self.fanout.members)

    async def _gap(self, connection: HubConnection, since: datetime, until: datetime) -> None:
        assert self._tell_gap is not None
        await self._tell_gap(HubScope(self, connection), (since, until))

    def ping_packet(self, codec: Codec) -> bytes:
        return self._pings[codec.name]

    async def connect(self, connection: HubConnection) -> None:
        """Run `on_connected`. Raises its exception, which refuses the connection."""
        if self.on_connected is not None:
            await self.on_connected(HubScope(self, connection, results_refused=NO_RESULT_IN_ON_CONNECTED), None)

    async def finish(self, connection: HubConnection, uploads: Uploads, error: Exception | None) -> None:
        """Run `on_disconnected` to its end, also when the connection's own task is being cancelled.

        Its exception is raised here, or logged if nobody waits for it any more.
        """
        if self.on_disconnected is None:
            _fail(uploads)
            return
        ending = self.tasks.start(
            self._disconnect(connection, uploads, error),
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

    async def _disconnect(
        self, connection: HubConnection, uploads: Uploads, error: Exception | None
    ) -> BaseException | None:
        """What `on_disconnected` raised, for `finish`."""
        assert self.on_disconnected is not None
        task = asyncio.current_task()
        try:
            await self.on_disconnected(HubScope(self, connection), error)
        except BaseException as failure:
            if ends_its_task(failure, task):
                raise
            failure.add_note(f"raised by {self.hub.__qualname__}.on_disconnected, or by a filter around it")
            return failure
        finally:
            _fail(uploads)
        return None


def _fail(uploads: Uploads) -> None:
    """The connection has ended: end the uploads with an error for their readers."""
    uploads.fail_all(ConnectionClosed("The underlying connection was closed."))


def _log_failure(connection_id: str, ending: "asyncio.Task[BaseException | None]") -> None:
    if not ending.cancelled() and (failure := ending.result()) is not None:
        logger.error("connection %s: on_disconnected failed", connection_id, exc_info=failure)
