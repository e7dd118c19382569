"""One call while it lives: what its hub object is given, and how the method is reached."""

import asyncio
import functools
import inspect
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from hubline.errors import InvocationError
from hubline.server.clients import HubCallerClients
from hubline.server.context import HubCallerContext
from hubline.server.filters import InvocationContext
from hubline.server.hub import GroupManager
from hubline.server.injection import Injector
from hubline.server.invocations import Cancellation
from hubline.server.methods import HubMethod
from hubline.server.recipients import Recipients
from hubline.server.turns import let_others
from hubline.server.workers import in_worker
from hubline.streams.download import in_thread, interrupted
from hubline.streams.upload import UploadStream
from hubline.wire.messages import Invocation, StreamInvocation
from hubline.wire.packet import SerializedMessage

if TYPE_CHECKING:
    from hubline.server.connection import HubConnectionContext
    from hubline.server.dispatcher import Dispatcher
    from hubline.server.runtime import HubRuntime


class HubScope:
    """What a hub object is given: its connection, and calls to clients made in its name."""

    results_refused = ""

    def __init__(self, runtime: "HubRuntime", connection: "HubConnectionContext", *, results_refused: str = "") -> None:
        self.runtime, self.connection, self.results_refused = runtime, connection, results_refused
        self.context: HubCallerContext = connection.context
        """Who the connection was when this began; a refresh does not change it."""

    @property
    def clients(self) -> HubCallerClients[Any]:
        return HubCallerClients(self, self.runtime.interface, self.connection.id)

    @property
    def groups(self) -> GroupManager:
        return self.runtime.fanout.groups

    async def send(self, recipients: Recipients, message: Invocation | SerializedMessage) -> None:
        await self.runtime.fanout.send(recipients, message)

    async def ask(
        self, connection_id: str, target: str, arguments: tuple[Any, ...], result_type: Any, timeout: float | None
    ) -> Any:
        if self.results_refused:
            await let_others()
            raise InvocationError(target, self.results_refused)
        return await self.runtime.fanout.ask(connection_id, target, arguments, result_type, timeout)


class InTurn(HubScope):
    """Something that takes a slot among the parallel calls of its connection."""

    holder: "Dispatcher | None" = None
    """Whose slot it holds."""

    @property
    def streams(self) -> bool:
        """Whether it runs besides what takes slots."""
        return False

    async def ask(
        self, connection_id: str, target: str, arguments: tuple[Any, ...], result_type: Any, timeout: float | None
    ) -> Any:
        """Ask a client. The slot is given back for good: the client may call us before it answers (spec §5.9)."""
        self.release_slot()
        return await super().ask(connection_id, target, arguments, result_type, timeout)

    def release_slot(self) -> None:
        holder, self.holder = self.holder, None
        if holder is not None:
            holder.release()


class Call(InTurn):
    """One invocation, from its arrival to its completion.

    Most of them need little of what there is: the rest is said once, at the class, and costs a call nothing.
    """

    context: HubCallerContext
    """Set when it begins: who it is may change while it waits."""
    mistake = ""
    """Why it cannot be run the way it is called; told only to those who may call it."""
    known = False
    """Whether cancels and items can find it."""
    uploads: Sequence[UploadStream[Any]] = ()
    cancellation: Cancellation | None = None
    injector: Injector | None = None
    task: asyncio.Task[None] | None = None
    recheck: asyncio.Task[None] | None = None
    """Asks whether it may go on after a refresh. One at a time, so that refreshing on and on piles nothing up."""
    started = streaming = cancelled = False
    entered = False
    """Whether a stream's method has begun: from then on a cancellation interrupts it."""
    refusal = ""
    """Why it was ended while it ran; its completion says so, whatever the method made of it."""

    def __init__(
        self,
        runtime: "HubRuntime",
        connection: "HubConnectionContext",
        method: HubMethod,
        message: Invocation | StreamInvocation,
        arguments: tuple[Any, ...],
    ) -> None:
        self.runtime, self.connection = runtime, connection
        self.method, self.message, self.arguments = method, message, arguments

    @property
    def streams(self) -> bool:
        """A stream in either direction does. A mistaken one does not: its refusal waits for its turn."""
        return not self.mistake and bool(self.method.is_stream or self.method.uploads)

    def refuse(self, text: str) -> None:
        """End what streams, in either direction: its caller may no longer have it."""
        if self.task is None or (self.cancelled and self.entered):
            return
        self.refusal, self.cancelled = text, True
        if self.cancellation is not None:
            self.cancellation.request()
        self.task.cancel()

    def cancel(self) -> None:
        """The result is no longer wanted: ends a stream, tells a call that has a `Cancellation`.

        A call that still waits for its turn never runs. A stream begins all the same, as in the original, and is
        interrupted at the first wait of its method.
        """
        if self.cancellation is not None:
            self.cancellation.request()
        if (self.method.is_stream or self.task is None) and not self.cancelled:
            self.cancelled = True
            if self.task is not None and self.entered:
                self.task.cancel()


async def invoke_method(context: InvocationContext) -> Any:
    """The innermost of all filters: the user's method. For a stream, gets the iterator."""
    call = context.hub.hubline_scope
    assert isinstance(call, Call)
    method = call.method
    if method.simple:
        positional: list[Any] = context.arguments
        keywords: dict[str, Any] = {}
    else:
        values = await _all_values(call, context.arguments)
        positional = [values[name] for name in method.order]
        keywords = {name: values[name] for name in method.keywords}
    function = functools.partial(method.function, context.hub, *positional, **keywords)
    result = function() if method.is_async else await in_worker(function)
    if inspect.iscoroutine(result):  # asyncio's own takes generators for coroutines
        call.entered = True
        result = await (interrupted(result) if call.cancelled else result)
    return in_thread(result) if method.is_stream and isinstance(result, Iterable) else result


async def _all_values(call: Call, arguments: list[Any]) -> dict[str, Any]:
    """Every parameter by name: what the caller sent, its upload streams, and what is ours to give."""
    method = call.method
    values = dict(zip((argument.name for argument in method.arguments), arguments, strict=True))
    values.update(zip((name for name, _ in method.uploads), call.uploads, strict=True))
    if method.cancellation is not None:
        values[method.cancellation] = call.cancellation
    for name, dependency in method.injected:
        assert call.injector is not None
        values[name] = await call.injector.provide(dependency)
    return values
