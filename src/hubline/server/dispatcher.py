"""Runs the calls of a connection: finds the method, binds the arguments, runs its pipeline in a task, answers.

Nothing in `Dispatcher` waits. If `invoke` returns a future, a bounded queue is full and reading must pause. So pings,
cancellations, items and client results never wait for a running or waiting call. In the original they wait if a second
call is queued (docs/decisions/control-messages-never-wait.md).
"""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from msgspec import UNSET

from hubline._tasks import ends_its_task, wake_up
from hubline.errors import BindingError, text_of
from hubline.server import error_texts
from hubline.server.calls import Call, InTurn, Pipeline
from hubline.server.context import HubCallerContext
from hubline.server.error_texts import error_text
from hubline.server.invocations import Cancellation, Uploads
from hubline.server.observer import Outcome
from hubline.server.ports import HubConnection
from hubline.server.refusals import RefusalLog, broken_off
from hubline.server.runtime import HubRuntime
from hubline.streams.upload import UploadStream
from hubline.wire.messages import Completion, Invocation, StreamInvocation

logger = logging.getLogger("hubline.dispatcher")


class Dispatcher:
    """The calls of one connection."""

    __slots__ = (
        *("_begun", "_calls", "_connection", "_ended", "_live", "_log", "_none_waiting", "_parallel"),
        *("_refreshed_early", "_room", "_running", "_runtime", "_streaming", "_waiting", "uploads"),
    )

    def __init__(self, runtime: HubRuntime, connection: HubConnection) -> None:
        self._runtime, self._connection = runtime, connection
        self._running, self._streaming, self._parallel = 0, 0, runtime.options.maximum_parallel_invocations
        self._log = RefusalLog(connection.id, runtime.clock, detailed=runtime.options.detailed_errors)
        self._waiting: list[InTurn] = []
        self._calls: dict[str, Call] = {}
        """What a cancellation finds: one call an id, a stream before a plain call."""
        self._live: dict[Call, None] = {}
        self._room: asyncio.Future[None] | None = None
        self._none_waiting: asyncio.Future[None] | None = None
        self._begun = self._refreshed_early = self._ended = False
        self.uploads = Uploads()

    def begin(self) -> None:
        """`on_connected` has returned. The hub is told now of refreshes before that, in one call."""
        self._begun = True
        if self._refreshed_early:
            self._announce()

    def refreshed(self) -> None:
        """The connection has another identity: running streams are authorised again, and the hub is told."""
        for call in self._live:
            if call.started and call.streams and call.pipeline.admits is not None:
                if call.recheck is not None:
                    call.recheck.cancel()
                call.recheck = self._start(self._admit_again(call, self._connection.context))
        if self._begun:
            self._announce()
        else:
            self._refreshed_early = True

    def invoke(self, message: Invocation | StreamInvocation, *, alone: bool = False) -> asyncio.Future[None] | None:
        """Start a call, or queue it. If it returns a future, enough calls wait: read on when the future is done.

        A call that arrived `alone` runs to its first wait at once, if Python can do that. If many arrived together,
        that would be unfair to other connections.
        """
        runtime, connection = self._runtime, self._connection
        pipeline = runtime.pipelines.get(message.target) or runtime.find(message.target)
        if pipeline is None:
            self._refuse(message, None, Outcome.UNKNOWN, error_texts.UNKNOWN_METHOD.format(message.target))
            return None
        method = pipeline.method
        try:
            arguments = method.binder.bind(connection.codec, message.arguments)
        except BaseException as error:  # a `BindingError`, or any exception of a user's validator
            if not isinstance(error, BindingError):
                logger.exception("connection %s: the arguments of %s", connection.id, method.where)
            text = error_text(error_texts.BINDING_FAILED.format(method.name), error, detailed=self._log.detailed)
            self._refuse(message, pipeline, Outcome.UNBOUND, text, reason=text_of(error))
            return None
        call = Call(runtime, connection, pipeline, message, arguments)
        if pipeline.can_be_ended or type(message) is not Invocation or message.stream_ids:
            call.mistake = self._mistake(pipeline, message)
            if call.mistake and pipeline.admits is None:
                self._refuse(message, pipeline, Outcome.REFUSED, call.mistake)
                return None
            if not call.mistake:  # a stream that was called in the wrong way takes a slot: its error waits for its turn
                call.streams = pipeline.streams
                self._register(call)
        elif self._running < self._parallel:  # not registered: it can only end by itself
            self._begin(call, at_once=alone)
            return None
        else:
            self._register(call)
        return self._schedule(call)

    def cancel(self, invocation_id: str) -> None:
        """The client has cancelled a call. Unknown ids, and calls that cannot be cancelled, are ignored."""
        call = self._calls.get(invocation_id)
        if call is not None:
            call.cancel()

    def signal(self) -> None:
        """The connection has ended: streams stop, and calls with a `Cancellation` are told.

        This includes calls that have waited and start now.
        """
        self._ended = True
        for call in list(self._live):
            if call.task is not None:
                call.cancel()

    def stop(self) -> None:
        """Drop the calls that have not started."""
        waiting, self._waiting = self._waiting, []
        self._runtime.waiting -= len(waiting)
        for work in waiting:
            if isinstance(work, Call):
                self._forget(work)
                self._observe(work.pipeline, Outcome.CANCELLED)

    def when_all_began(self) -> asyncio.Future[None] | None:
        """A future that is done when no call waits for its turn; None if no call waits now."""
        if not self._waiting:
            return None
        self._none_waiting = asyncio.get_running_loop().create_future()
        return self._none_waiting

    def _mistake(self, pipeline: Pipeline, message: Invocation | StreamInvocation) -> str:
        """The error if a method is called in the wrong way, in the original's order of checks."""
        method, ids, streaming = pipeline.method, message.stream_ids, type(message) is StreamInvocation
        if method.is_stream != streaming:
            return (error_texts.STREAM_AS_CALL if method.is_stream else error_texts.CALL_AS_STREAM).format(method.name)
        base = error_texts.INVOCATION_FAILED.format(method.name)
        if len(ids) != len(method.uploads):
            return f"{base} HubException: Client sent {len(ids)} stream(s), Hub method expects {len(method.uploads)}."
        if streaming and (other := self._calls.get(message.invocation_id)) is not None and other.method.is_stream:
            return error_texts.ID_IN_USE.format(message.invocation_id)
        if ids and (len(set(ids)) < len(ids) or any(stream_id in self.uploads for stream_id in ids)):
            return f"{base} HubException: A stream ID is already in use."
        limit = self._runtime.options.maximum_streams
        if pipeline.streams and self._streaming >= limit:
            return f"{base} HubException: A connection may have {limit} streams at once."
        return ""

    def _register(self, call: Call) -> None:
        """Register the call, so that items and cancellations that follow can find it, even while it waits."""
        call.known = True
        if call.method.cancellation is not None:
            call.cancellation = Cancellation()
        self._live[call] = None
        if call.streams:
            self._streaming += 1
            self._runtime.streams += 1
        if call.method.is_stream:
            self._calls[call.message.invocation_id] = call
        elif call.message.invocation_id:
            self._calls.setdefault(call.message.invocation_id, call)
        if not call.method.uploads:
            return
        options, call.uploads = self._runtime.options, []
        for stream_id, (_, kind) in zip(call.message.stream_ids, call.method.uploads, strict=True):
            read = self._runtime.readers.reader(self._connection.codec, kind)
            stream: UploadStream[Any] = UploadStream(
                read, options.stream_buffer_capacity, detailed=options.detailed_errors
            )
            call.uploads.append(stream)
            self.uploads.open(stream_id, stream)

    def _schedule(self, work: InTurn) -> asyncio.Future[None] | None:
        """Start it, or let it wait. Calls and streams start in the order in which they arrive."""
        if not self._waiting and (work.streams or self._running < self._parallel):
            self._begin(work)
            return None
        self._wait(work)
        if len(self._waiting) <= self._runtime.options.maximum_waiting_invocations:
            return None
        self._room = asyncio.get_running_loop().create_future()
        return self._room

    def _wait(self, work: InTurn) -> None:
        self._waiting.append(work)
        self._runtime.waiting += 1

    def _begin(self, work: InTurn, *, at_once: bool = False) -> None:
        if not work.streams:
            self._running += 1
            work.holder = self
        if not isinstance(work, Call):
            self._start(self._tell(work))
            return
        loop, context, name = self._connection.loop, self._connection.variables, work.pipeline.method.where
        work.task = self._runtime.tasks.begin(self._run(work), loop, context=context, name=name, at_once=at_once)
        if self._ended:
            work.cancel()

    def release(self, work: InTurn) -> None:
        if work.holder is not None:
            work.holder = None
            self._running -= 1
            if self._waiting:
                self._go_on()

    def _go_on(self) -> None:
        """A slot is free: start the next call and the streams after it. There is room for others to wait."""
        waiting = self._waiting
        while waiting and (waiting[0].streams or self._running < self._parallel):
            self._runtime.waiting -= 1
            self._begin(waiting.pop(0))
        wake_up(self._room)
        if not waiting:
            wake_up(self._none_waiting)

    def _start(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return self._runtime.tasks.start(coroutine, context=self._connection.variables)

    def _announce(self) -> None:
        """Tell the hub of a refresh, in order with the calls. If too many wait, it is combined with the last of them.

        So a client that refreshes many times while a call runs cannot make the queue grow.
        """
        if self._runtime.on_authentication_refreshed is None:
            return
        options = self._runtime.options
        waiting = [each for each in self._waiting if not isinstance(each, Call)]
        if len(waiting) > options.maximum_waiting_invocations:
            waiting[-1].context = self._connection.context
        elif self._running < self._parallel:
            self._begin(InTurn(self._runtime, self._connection))
        else:
            self._wait(InTurn(self._runtime, self._connection))

    async def _tell(self, work: InTurn) -> None:
        tell = self._runtime.on_authentication_refreshed
        assert tell is not None
        task = asyncio.current_task()
        try:
            await tell(work, None)
        except BaseException as error:
            if ends_its_task(error, task):
                raise
            logger.exception("connection %s: on_authentication_refreshed failed", self._connection.id)
        finally:
            self.release(work)

    async def _run(self, call: Call) -> None:
        """A call in its turn. Its task is cancelled with its stream, or when the app shuts down."""
        connection, runtime, invocation_id = self._connection, self._runtime, call.message.invocation_id
        call.context = connection.context  # who it is may have changed while the call waited
        known = call.started = call.known
        try:
            try:
                result = await call.perform(call)
                if known:
                    self._forget(call)
                if (known or result is UNSET) and call.refusal:
                    room = self._tell_error(call.message, call.refusal)
                else:
                    completion = Completion(invocation_id=invocation_id, result=result)
                    room = not invocation_id or connection.write(connection.codec.encode(completion))
            except BaseException as error:  # also what an encoder raises about the result
                text = broken_off(call, error, self._log)
                self._forget(call)
                room = self._tell_error(call.message, call.refusal or text)
            if not room:
                await connection.drain()
        except Exception:
            logger.exception("connection %s: %s could not be answered", connection.id, call.method.where)
        finally:
            if known:
                self._forget(call)
            self.release(call)
            runtime.tasks.ended(call.task)
            if runtime.observer is not None:
                cancelled = call.cancelled and call.outcome is Outcome.SUCCEEDED
                self._observe(call.pipeline, Outcome.CANCELLED if cancelled else call.outcome)

    async def _admit_again(self, call: Call, caller: HubCallerContext) -> None:
        """Check whether a stream may continue after a refresh. The latest refresh decides."""
        task = asyncio.current_task()
        try:
            admitted_again = call.pipeline.admits is None or await call.pipeline.admits(call, caller)
        except BaseException as error:
            if ends_its_task(error, task):
                raise
            logger.exception("connection %s: a policy of %s failed", self._connection.id, call.method.where)
            admitted_again = False
        if not admitted_again and caller is self._connection.context and call in self._live:
            call.break_off(error_texts.UNAUTHORIZED.format(call.method.name))

    def _forget(self, call: Call) -> None:
        """The method has ended: its id is free, and further items of its uploads are ignored. May be called twice."""
        if not call.known:
            return
        call.known = False
        message = call.message
        self._live.pop(call, None)
        if self._calls.get(message.invocation_id) is call:
            del self._calls[message.invocation_id]
        if call.uploads:
            for stream_id in message.stream_ids:
                self.uploads.close(stream_id)
        if call.streams:
            self._streaming -= 1
            self._runtime.streams -= 1

    def _tell_error(self, message: Invocation | StreamInvocation, text: str) -> bool:
        """Answer a call that was not run, or was cancelled and has no text. False if too much is queued."""
        completion = Completion(invocation_id=message.invocation_id, error=text or UNSET)
        return not message.invocation_id or self._connection.send(completion)

    def _refuse(
        self,
        message: Invocation | StreamInvocation,
        pipeline: Pipeline | None,
        outcome: Outcome,
        text: str,
        *,
        reason: str = "",
    ) -> None:
        """Answer a call that will not run. `reason` is for the log, which gets more than the caller."""
        self._log.note("", reason or text)
        self._tell_error(message, text)
        self._observe(pipeline, outcome)

    def _observe(self, pipeline: Pipeline | None, outcome: Outcome) -> None:
        """Called exactly once for every call that arrived, at its end."""
        runtime = self._runtime
        if runtime.observer is not None:
            name = None if pipeline is None else pipeline.method.name
            runtime.observer.ended(runtime.hub, name, self._connection, outcome)
