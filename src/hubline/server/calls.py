"""One call while it lives: what its hub object is given, and what can be done to it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from msgspec import UNSET, UnsetType

from hubline.errors import InvocationError
from hubline.server.context import HubCallerContext
from hubline.server.injection import Injector
from hubline.server.invocations import Cancellation
from hubline.server.methods import HubMethod
from hubline.server.observer import Outcome
from hubline.server.ports import HubConnection, HubServices
from hubline.server.turns import let_others
from hubline.streams.upload import UploadStream
from hubline.wire.messages import Invocation, StreamInvocation


class HubScope:
    """What a hub object is given: its connection and hub, and questions to clients asked in its name."""

    results_refused = ""

    def __init__(self, runtime: HubServices, connection: HubConnection, *, results_refused: str = "") -> None:
        self.runtime, self.connection, self.results_refused = runtime, connection, results_refused
        self.context: HubCallerContext = connection.context
        """Who the connection was when this began; a refresh does not change it."""

    async def ask(
        self, connection_id: str, target: str, arguments: tuple[Any, ...], result_type: Any, timeout: float | None
    ) -> Any:
        if self.results_refused:
            await let_others()
            raise InvocationError(target, self.results_refused)
        return await self.runtime.fanout.ask(connection_id, target, arguments, result_type, timeout)


class Slots(Protocol):
    """Who lets so many run at once."""

    def release(self, work: "InTurn") -> None:
        """Take back the slot that it holds, if it does, and let the next begin."""


class InTurn(HubScope):
    """Something that takes a slot among the parallel calls of its connection."""

    holder: Slots | None = None
    """Whose slot it holds."""
    streams = False
    """Whether it runs besides what takes slots."""

    async def ask(
        self, connection_id: str, target: str, arguments: tuple[Any, ...], result_type: Any, timeout: float | None
    ) -> Any:
        """Ask a client. The slot is given back for good: the client may call us before it answers (spec §5.9)."""
        if self.holder is not None:
            self.holder.release(self)
        return await super().ask(connection_id, target, arguments, result_type, timeout)


Step: TypeAlias = "Callable[[Call], Awaitable[Any]]"
"""Something that is done for a call: the method, or the method with something around it. Returns the result."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """How a method is run, worked out at registration (`server/pipeline.py`)."""

    method: HubMethod
    perform: Step
    """Everything, from authorisation to the result; of a stream, to its last item."""
    admits: Callable[["Call", HubCallerContext], Awaitable[bool]] | None
    """Whether somebody fulfils what the method asks for. Raises what a policy raises. `None`: anybody does."""
    streams: bool
    """Whether it streams in one direction or both, and so takes no slot."""
    can_be_ended: bool
    """Whether a call that has begun can be ended, or told to end, before its method returns."""


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
    """Why it was not run, or ended while it ran; its completion says so, whatever the method made of it."""
    outcome = Outcome.SUCCEEDED
    """What is to be said of it when it ends."""

    def __init__(
        self,
        runtime: HubServices,
        connection: HubConnection,
        pipeline: Pipeline,
        message: Invocation | StreamInvocation,
        arguments: tuple[Any, ...],
    ) -> None:
        self.runtime, self.connection, self.pipeline = runtime, connection, pipeline
        self.message, self.arguments, self.perform = message, arguments, pipeline.perform

    @property
    def method(self) -> HubMethod:
        return self.pipeline.method

    def refuse(self, text: str, outcome: Outcome) -> UnsetType:
        """What a pipeline returns instead of going on: the caller is told this text."""
        self.refusal, self.outcome = text, outcome
        return UNSET

    def break_off(self, text: str) -> None:
        """End what streams, in either direction: its caller may no longer have it."""
        if self.task is None or (self.cancelled and self.entered):
            return
        self.cancelled = True
        self.refuse(text, Outcome.UNAUTHORIZED)
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
            if self.task is None:
                if not self.method.is_stream:
                    self.perform = _nothing
            elif self.entered:
                self.task.cancel()


async def _nothing(call: Call) -> UnsetType:
    """Instead of a call that was cancelled before its turn."""
    call.outcome = Outcome.CANCELLED
    return UNSET
