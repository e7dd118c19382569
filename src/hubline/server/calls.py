"""One call: the scope of its hub object, and its cancellation."""

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
from hubline.server.yielding import yield_to_loop
from hubline.streams.upload import UploadStream
from hubline.wire.messages import Invocation, StreamInvocation


class HubScope:
    """What a hub object is given: its connection, its hub, and calls to clients that wait for an answer."""

    results_refused = ""

    def __init__(self, runtime: HubServices, connection: HubConnection, *, results_refused: str = "") -> None:
        self.runtime, self.connection, self.results_refused = runtime, connection, results_refused
        self.context: HubCallerContext = connection.context
        """The context with the identity at the start of the call. A refresh does not change it."""

    async def ask(
        self, connection_id: str, target: str, arguments: tuple[Any, ...], result_type: Any, timeout: float | None
    ) -> Any:
        if self.results_refused:
            await yield_to_loop()
            raise InvocationError(target, self.results_refused)
        return await self.runtime.fanout.ask(connection_id, target, arguments, result_type, timeout)


class Slots(Protocol):
    """Limits the number of parallel calls."""

    def release(self, work: "InTurn") -> None:
        """Take back the slot that it holds, if it holds one, and start the next call."""


class InTurn(HubScope):
    """A call that takes one of the slots for parallel calls of its connection."""

    holder: Slots | None = None
    """The owner of the slot that it holds."""
    streams = False
    """Whether it runs without a slot."""

    async def ask(
        self, connection_id: str, target: str, arguments: tuple[Any, ...], result_type: Any, timeout: float | None
    ) -> Any:
        """Ask a client. The slot is given back for good, because the client may call before it answers (spec §5.9)."""
        if self.holder is not None:
            self.holder.release(self)
        return await super().ask(connection_id, target, arguments, result_type, timeout)


Step: TypeAlias = "Callable[[Call], Awaitable[Any]]"
"""A step of a call: the method, or the method with code around it. Returns the result."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """How a method is run, decided at registration (`server/pipeline.py`)."""

    method: HubMethod
    perform: Step
    """The whole call, from authorisation to the result, or for a stream to its last item."""
    admits: Callable[["Call", HubCallerContext], Awaitable[bool]] | None
    """Whether a caller may call the method. Raises what a policy raises. `None` if everybody may."""
    streams: bool
    """Whether it streams in either direction, and so needs no slot."""
    can_be_ended: bool
    """Whether a running call can be cancelled, or told to end, before its method returns."""


class Call(InTurn):
    """One invocation, from its arrival to its completion.

    Most calls need few of the attributes. The others have defaults at the class, so they cost a call nothing.
    """

    context: HubCallerContext
    """Set when it starts, because the identity may change while it waits."""
    mistake = ""
    """The error if it is called in the wrong way. Only callers who are authorised get it."""
    known = False
    """Whether cancellations and items can find it."""
    uploads: Sequence[UploadStream[Any]] = ()
    cancellation: Cancellation | None = None
    injector: Injector | None = None
    task: asyncio.Task[None] | None = None
    recheck: asyncio.Task[None] | None = None
    """Checks whether it may continue after a refresh. Only one at a time, so that many refreshes do not accumulate."""
    started = streaming = cancelled = False
    entered = False
    """Whether a stream's method has started. From then on a cancellation interrupts it."""
    refusal = ""
    """Why it was not run, or was ended. Its completion has this error, whatever the method returns."""
    outcome = Outcome.SUCCEEDED
    """The outcome for the observer when it ends."""

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
        """A pipeline returns it instead of continuing: the text is the error for the caller."""
        self.refusal, self.outcome = text, outcome
        return UNSET

    def break_off(self, text: str) -> None:
        """End a stream, in either direction, because its caller is no longer authorised."""
        if self.task is None or (self.cancelled and self.entered):
            return
        self.cancelled = True
        self.refuse(text, Outcome.UNAUTHORIZED)
        if self.cancellation is not None:
            self.cancellation.request()
        self.task.cancel()

    def cancel(self) -> None:
        """The result is no longer needed: end a stream, or tell a call that has a `Cancellation`.

        A call that still waits for its turn never runs. A stream starts all the same, as in the original, and is
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
    """Runs in place of a call that was cancelled before its turn."""
    call.outcome = Outcome.CANCELLED
    return UNSET
