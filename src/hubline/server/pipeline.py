"""Composes the pipeline of each method, once, when its hub is registered.

The steps, from outside to inside, each only if the method needs it: authorisation, the check that it is called in the
right way, the observer, the clean-up of dependencies, the sending of a stream's items, the filters, the making of
dependencies, the method. The usual method needs no other step, and its pipeline is a call of its function.
`on_connected` and similar methods have pipelines too, if they or a filter are defined.
"""

import asyncio
import functools
import inspect
from collections.abc import AsyncIterable, Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias, TypeVar

from msgspec import UNSET, UnsetType

from hubline._clock import Clock
from hubline.auth.policies import Policies, PolicyContext
from hubline.server import error_texts
from hubline.server.calls import Call, HubScope, Pipeline, Step
from hubline.server.context import HubCallerContext
from hubline.server.filters import Connect, Disconnect, HubFilter, InvocationContext, Invoke
from hubline.server.hub import Hub
from hubline.server.injection import Injector
from hubline.server.methods import HubMethod
from hubline.server.observer import Observer, Outcome
from hubline.server.send_filters import nested
from hubline.server.workers import in_worker
from hubline.streams.download import in_thread, interrupted, pump
from hubline.streams.together import Together

T = TypeVar("T")

End: TypeAlias = Callable[[HubScope, Exception | None], Awaitable[None]]
"""`on_connected` and similar methods. The error is the one that ended the connection, if there was one."""


@dataclass(frozen=True, slots=True)
class PipelineBuilder:
    """Makes the pipelines of one hub."""

    hub: type[Hub[Any]]
    create: Callable[[], Hub[Any]]
    filters: Sequence[HubFilter]
    """The filters of the app and the route, and inside them those of the hub."""
    policies: Policies
    clock: Clock
    observer: Observer | None

    def pipeline(self, method: HubMethod) -> Pipeline:
        admits = self._admission(method) if method.requirements else None
        perform = self._method(method)
        if method.injected:
            perform = _with_dependencies(perform, result=UNSET if method.is_stream else None)
        if self.observer is not None:
            perform = self._observed_call(self.observer, method.name, perform)
        if admits is not None:
            perform = _guarded(perform, admits, error_texts.UNAUTHORIZED.format(method.name))
        streams = method.is_stream or bool(method.uploads)
        return Pipeline(method, perform, admits, streams, can_be_ended=streams or method.cancellation is not None)

    def on_connected(self) -> End | None:
        """`None` if no code of the user runs when a connection opens: no `on_connected`, no filters, no factory."""
        if not self._is_heard(Hub.on_connected):
            return None

        def connected(hub: Hub[Any], _: Exception | None) -> Awaitable[None]:
            chain: Connect = nested([functools.partial(each.connected, hub) for each in self.filters], hub.on_connected)
            return chain()

        return self._observed("OnConnectedAsync", connected)

    def on_disconnected(self) -> End | None:
        if not self._is_heard(Hub.on_disconnected):
            return None

        def disconnected(hub: Hub[Any], error: Exception | None) -> Awaitable[None]:
            around = [functools.partial(each.disconnected, hub) for each in self.filters]
            chain: Disconnect = nested(around, hub.on_disconnected)
            return chain(error)

        return self._observed("OnDisconnectedAsync", disconnected)

    def on_authentication_refreshed(self) -> End | None:
        if self.hub.on_authentication_refreshed is Hub.on_authentication_refreshed and self.observer is None:
            return None
        return self._observed("OnAuthenticationRefreshedAsync", lambda hub, _: hub.on_authentication_refreshed())

    def on_backplane_gap(self) -> Callable[[HubScope, tuple[datetime, datetime]], Awaitable[None]] | None:
        if self.hub.on_backplane_gap is Hub.on_backplane_gap:
            return None
        return self._observed("OnBackplaneGap", lambda hub, gap: hub.on_backplane_gap(*gap))

    def _is_heard(self, event: Callable[..., Any]) -> bool:
        made_plainly = self.create is self.hub and self.hub.__init__ is Hub.__init__
        overridden = getattr(self.hub, event.__name__) is not event
        return bool(overridden or not made_plainly or self.filters or self.observer)

    def _method(self, method: HubMethod) -> Step:
        """The method with its filters, and for a stream with the sending of its items."""
        filters = (*self.filters, *method.filters)
        generates = inspect.isasyncgenfunction(method.function)
        if not filters and not _takes_more(method) and (generates or (method.is_async and not method.is_stream)):
            return self._direct_stream(method.function) if generates else self._direct(method.function)
        chain: Invoke = nested([each.invoke for each in filters], _innermost(method))
        create, clock, name = self.create, self.clock, method.name

        def invoke(call: Call) -> Awaitable[Any]:
            hub = create()
            hub.hubline_scope = call
            return chain(InvocationContext(hub, name, list(call.arguments), call.context, clock=clock))

        return _streamed(invoke, error_texts.NOT_A_STREAM.format(name)) if method.is_stream else invoke

    def _direct(self, function: Callable[..., Any]) -> Step:
        create = self.create

        def invoke(call: Call) -> Awaitable[Any]:
            hub = create()
            hub.hubline_scope = call
            awaitable: Awaitable[Any] = function(hub, *call.arguments)
            return awaitable

        return invoke

    def _direct_stream(self, function: Callable[..., AsyncIterable[Any]]) -> Step:
        create = self.create

        def stream(call: Call) -> Awaitable[UnsetType]:
            hub = create()
            hub.hubline_scope = call
            return _send_items(call, function(hub, *call.arguments))

        return stream

    def _admission(self, method: HubMethod) -> Callable[[Call, HubCallerContext], Awaitable[bool]]:
        policies, names = self.policies, [argument.name for argument in method.arguments]

        async def admits(call: Call, caller: HubCallerContext) -> bool:
            scope = caller.scope
            if scope.identity is None:
                return False
            context = PolicyContext(
                identity=scope.identity,
                scope=scope,
                hub=self.hub,
                method=method.name,
                arguments=dict(zip(names, call.arguments, strict=True)),
            )
            return await policies.admit(method.requirements, context)

        return admits

    def _observed_call(self, observer: Observer, name: str, perform: Step) -> Step:
        async def observed(call: Call) -> Any:
            operation = observer.begin(self.hub, name, call.connection, call.message)
            try:
                result = await perform(call)
            except BaseException as error:
                operation.end(None if call.cancelled and isinstance(error, asyncio.CancelledError) else error)
                raise
            operation.end(None)
            return result

        return observed

    def _observed(
        self, name: str, run: Callable[[Hub[Any], T], Awaitable[None]]
    ) -> Callable[[HubScope, T], Awaitable[None]]:
        create, observer = self.create, self.observer

        async def plain(scope: HubScope, of: T) -> None:
            hub = create()
            hub.hubline_scope = scope
            await run(hub, of)

        if observer is None:
            return plain

        async def observed(scope: HubScope, of: T) -> None:
            operation = observer.begin(self.hub, name, scope.connection, None)
            try:
                await plain(scope, of)
            except BaseException as raised:
                operation.end(raised)
                raise
            operation.end(None)

        return observed


def _guarded(perform: Step, admits: Callable[[Call, HubCallerContext], Awaitable[bool]], unauthorized: str) -> Step:
    """Only callers who are authorised are told that they called it in the wrong way, as in the original."""

    async def guarded(call: Call) -> Any:
        if not await admits(call, call.context):
            return call.refuse(unauthorized, Outcome.UNAUTHORIZED)
        if call.mistake:
            return call.refuse(call.mistake, Outcome.REFUSED)
        return await perform(call)

    return guarded


def _with_dependencies(perform: Step, result: UnsetType | None) -> Step:
    """`result` is the result if a dependency swallows the method's exception."""

    async def with_dependencies(call: Call) -> Any:
        call.injector = Injector(call.context)
        made = result
        async with call.injector.stack:
            made = await perform(call)
        return made

    return with_dependencies


def _streamed(invoke: Step, not_a_stream: str) -> Step:
    async def stream(call: Call) -> UnsetType:
        items = await invoke(call)
        if not isinstance(items, AsyncIterable):
            return call.refuse(not_a_stream, Outcome.FAILED)
        return await _send_items(call, items)

    return stream


def _send_items(call: Call, items: AsyncIterable[Any]) -> Coroutine[Any, Any, UnsetType]:
    """Send the items of a stream. Not a coroutine, because each coroutine in between would be resumed for each item."""
    call.streaming = True
    call.entered, call.cancelled = True, call.cancelled  # on the object itself: the pump reads them for each item
    connection, stream = call.connection, call.message.invocation_id
    encode = connection.codec.item_encoder(stream)

    def gather() -> Together:
        return Together(encode, functools.partial(connection.codec.encode_texts, stream), connection)

    return pump(items, encode, connection, call, gather)


def _innermost(method: HubMethod) -> Invoke:
    """The innermost of all filters: the user's method. For a stream, gets the iterator."""
    takes_more = _takes_more(method)

    async def invoke(context: InvocationContext) -> Any:
        call = context.hub.hubline_scope
        assert isinstance(call, Call)
        positional, keywords = context.arguments, {}
        if takes_more:
            values = await _all_values(call, positional)
            positional = [values[name] for name in method.order]
            keywords = {name: values[name] for name in method.keywords}
        function = functools.partial(method.function, context.hub, *positional, **keywords)
        result = function() if method.is_async else await in_worker(function)
        if inspect.iscoroutine(result):  # asyncio's own check accepts generators
            call.entered = True
            result = await (interrupted(result) if call.cancelled else result)
        return in_thread(result) if method.is_stream and isinstance(result, Iterable) else result

    return invoke


def _takes_more(method: HubMethod) -> bool:
    """Whether it has parameters besides the bound arguments."""
    return bool(method.uploads or method.injected or method.cancellation)


async def _all_values(call: Call, arguments: list[Any]) -> dict[str, Any]:
    """Every parameter by name: the caller's arguments, its upload streams, and injected values."""
    method = call.method
    values = dict(zip((argument.name for argument in method.arguments), arguments, strict=True))
    values.update(zip((name for name, _ in method.uploads), call.uploads, strict=True))
    if method.cancellation is not None:
        values[method.cancellation] = call.cancellation
    for name, dependency in method.injected:
        assert call.injector is not None
        values[name] = await call.injector.provide(dependency)
    return values
