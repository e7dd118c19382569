"""One message in, its effect out: finds the method, binds, authorises, runs it in a task, answers.

Nothing in `Dispatcher` waits. A future that `invoke` returns means that a bounded queue is full and reading must
pause. Pings, cancels, items and client results therefore never wait behind a running or waiting call; in the original
they do once a second call is queued (docs/decisions).
"""

import asyncio
import logging
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from hubline._tasks import ends_its_task, wake_up
from hubline.errors import BindingError, text_of
from hubline.server import errors
from hubline.server.calls import Call, InTurn
from hubline.server.context import HubCallerContext
from hubline.server.errors import error_text
from hubline.server.execution import admitted, broken_off, complete, failure, send_items
from hubline.server.invocations import Cancellation, Uploads
from hubline.server.methods import HubMethod
from hubline.server.refusals import RefusalLog
from hubline.streams.upload import UploadStream
from hubline.wire.messages import Completion, Invocation, StreamInvocation

if TYPE_CHECKING:
    from hubline.server.connection import HubConnectionContext
    from hubline.server.runtime import HubRuntime

logger = logging.getLogger("hubline.dispatcher")


class Dispatcher:
    """The calls of one connection."""

    __slots__ = (
        *("_begun", "_calls", "_connection", "_ended", "_live", "_log", "_none_waiting", "_parallel"),
        *("_refreshed_early", "_room", "_running", "_runtime", "_streaming", "_waiting", "uploads"),
    )

    def __init__(self, runtime: "HubRuntime", connection: "HubConnectionContext") -> None:
        self._runtime, self._connection = runtime, connection
        self._running, self._streaming, self._parallel = 0, 0, runtime.options.maximum_parallel_invocations
        self._log = RefusalLog(connection.id, runtime.clock)
        self._waiting: list[InTurn] = []
        self._calls: dict[str, Call] = {}
        """What a cancellation finds: one call an id, a stream before a plain call."""
        self._live: dict[Call, None] = {}
        self._room: asyncio.Future[None] | None = None
        self._none_waiting: asyncio.Future[None] | None = None
        self._begun = self._refreshed_early = self._ended = False
        self.uploads = Uploads()

    def begin(self) -> None:
        """`on_connected` has returned. Refreshes before that are told to the hub now, as one."""
        self._begun = True
        if self._refreshed_early:
            self._announce()

    def refreshed(self) -> None:
        """The connection has another identity: streams that run must be admitted anew, and the hub is told."""
        for call in self._live:
            if call.started and call.streams and call.method.requirements:
                if call.recheck is not None:
                    call.recheck.cancel()
                call.recheck = self._start(self._admit_again(call, self._connection.context))
        if self._begun:
            self._announce()
        else:
            self._refreshed_early = True

    def invoke(self, message: Invocation | StreamInvocation, *, alone: bool = False) -> asyncio.Future[None] | None:
        """Begin a call, or queue it. A future means that enough are waiting: read on when it is done.

        One that came `alone` is run to its first wait at once, where Python can. If many came together that would be
        unfair to everybody else.
        """
        connection, method = self._connection, self._runtime.methods.find(message.target)
        if method is None:
            self._answer_error(message, errors.UNKNOWN_METHOD.format(message.target))
            return None
        try:
            arguments = method.binder.bind(connection.codec, message.arguments)
        except BaseException as error:  # a `BindingError`, or whatever a validator of the user raises
            if not isinstance(error, BindingError):
                logger.exception("connection %s: the arguments of %s", connection.id, method.where)
            base, detailed = errors.BINDING_FAILED.format(method.name), self._runtime.options.detailed_errors
            self._answer_error(message, error_text(base, error, detailed=detailed), reason=text_of(error))
            return None
        call = Call(self._runtime, connection, method, message, arguments)
        if method.plain and type(message) is Invocation and not message.stream_ids:
            if self._running < self._parallel:  # nobody looks for it: nothing can end it but itself
                self._running += 1
                call.holder = self
                run = self._run_direct(call) if method.name in self._runtime.open else self._run(call)
                call.task = self._runtime.tasks.begin(
                    run, connection.loop, context=connection.variables, name=method.where, at_once=alone
                )
                return None
        else:
            call.mistake = self._mistake(method, message)
        if not call.mistake:
            self._register(call)
        elif not method.requirements:
            self._answer_error(message, call.mistake)
            return None
        return self._schedule(call)

    def cancel(self, invocation_id: str) -> None:
        """The client no longer wants the result. Unknown ids, and calls that cannot be cancelled, are ignored."""
        call = self._calls.get(invocation_id)
        if call is not None:
            call.cancel()

    def signal(self) -> None:
        """The connection has ended: streams stop, and calls that run with a `Cancellation` are told.

        So are those that have waited and begin now.
        """
        self._ended = True
        for call in list(self._live):
            if call.task is not None:
                call.cancel()

    def stop(self) -> None:
        """Nobody waits any longer: calls that have not begun never will."""
        self._waiting.clear()
        self._live = {call: None for call in self._live if call.task is not None}

    def when_all_began(self) -> asyncio.Future[None] | None:
        """A future that is done when no call waits for its turn; None when that is so already."""
        if not self._waiting:
            return None
        self._none_waiting = asyncio.get_running_loop().create_future()
        return self._none_waiting

    def _mistake(self, method: HubMethod, message: Invocation | StreamInvocation) -> str:
        """What is wrong with the way a method is called, in the original's order of checks."""
        streaming = type(message) is StreamInvocation
        if method.is_stream != streaming:
            return (errors.STREAM_AS_CALL if method.is_stream else errors.CALL_AS_STREAM).format(method.name)
        if method.simple and not streaming and not message.stream_ids:
            return ""
        ids = message.stream_ids
        base = errors.INVOCATION_FAILED.format(method.name)
        if len(ids) != len(method.uploads):
            return f"{base} HubException: Client sent {len(ids)} stream(s), Hub method expects {len(method.uploads)}."
        if streaming and (other := self._calls.get(message.invocation_id)) is not None and other.method.is_stream:
            return errors.ID_IN_USE.format(message.invocation_id)
        if len(set(ids)) < len(ids) or any(stream_id in self.uploads for stream_id in ids):
            return f"{base} HubException: A stream ID is already in use."
        limit = self._runtime.options.maximum_streams
        if (streaming or ids) and self._streaming >= limit:
            return f"{base} HubException: A connection may have {limit} streams at once."
        return ""

    def _register(self, call: Call) -> None:
        """Make the call known, so that items and cancels that follow at once find it, even while it waits."""
        call.known = True
        if call.method.cancellation is not None:
            call.cancellation = Cancellation()
        self._live[call] = None
        if call.streams:
            self._streaming += 1
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
        """Begin it, or let it wait: what arrives begins in order, streams too."""
        if not self._waiting and (work.streams or self._running < self._parallel):
            self._begin(work)
            return None
        self._waiting.append(work)
        if len(self._waiting) <= self._runtime.options.maximum_waiting_invocations:
            return None
        self._room = asyncio.get_running_loop().create_future()
        return self._room

    def _begin(self, work: InTurn) -> None:
        if not work.streams:
            self._running += 1
            work.holder = self
        if not isinstance(work, Call):
            self._start(self._tell(work))
            return
        connection = self._connection
        method, context = work.method, connection.variables
        direct = method.generates and work.streams and method.name in self._runtime.open
        run = self._run_stream(work) if direct else self._run(work)
        work.task = self._runtime.tasks.begin(run, connection.loop, context=context, name=method.where)
        if self._ended:
            work.cancel()

    def release(self) -> None:
        """A slot is free: the next call may begin with the streams behind it, and there is room for others to wait."""
        self._running -= 1
        waiting = self._waiting
        if not waiting:
            return
        while waiting and (waiting[0].streams or self._running < self._parallel):
            self._begin(waiting.pop(0))
        wake_up(self._room)
        if not waiting:
            wake_up(self._none_waiting)

    def _start(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return self._runtime.tasks.start(coroutine, context=self._connection.variables)

    def _announce(self) -> None:
        """Tell the hub of a refresh when its turn comes. When too many wait, the last of them stands for this one too.

        So a client that refreshes on and on while a call runs cannot make the queue grow.
        """
        if not self._runtime.hears_refreshes:
            return
        options = self._runtime.options
        waiting = [each for each in self._waiting if not isinstance(each, Call)]
        if len(waiting) > options.maximum_waiting_invocations:
            waiting[-1].context = self._connection.context
        elif self._running < self._parallel:
            self._begin(InTurn(self._runtime, self._connection))
        else:
            self._waiting.append(InTurn(self._runtime, self._connection))

    async def _tell(self, work: InTurn) -> None:
        try:
            await self._runtime.new_hub(work).on_authentication_refreshed()
        except BaseException as error:
            if ends_its_task(error):
                raise
            logger.exception("connection %s: on_authentication_refreshed failed", self._connection.id)
        finally:
            work.release_slot()

    async def _run(self, call: Call) -> None:
        """A call from authorisation to answer. Its task is cancelled with its stream, or when the app shuts down."""
        call.started = True
        call.context = self._connection.context  # who it is may have changed while the call waited
        try:
            await self._conclude(call, await complete(call, self._log))
        except Exception:
            logger.exception("connection %s: %s could not be answered", self._connection.id, call.method.where)
        finally:
            self._forget(call)
            call.release_slot()
            self._runtime.tasks.ended(call.task)

    async def _run_stream(self, call: Call) -> None:
        """The same, quicker at each item: nothing is around the generator, and few coroutines are woken."""
        call.started, call.context = True, self._connection.context
        completion = Completion(invocation_id=call.message.invocation_id)
        try:
            try:
                await send_items(call, call.method.function(self._runtime.new_hub(call), *call.arguments))
            except BaseException as error:
                completion = broken_off(call, error, self._log)
            await self._conclude(call, completion)
        except Exception:
            logger.exception("connection %s: %s could not be answered", self._connection.id, call.method.where)
        finally:
            self._forget(call)
            self._runtime.tasks.ended(call.task)

    async def _conclude(self, call: Call, completion: Completion) -> None:
        """Answer a call that was known."""
        self._forget(call)
        invocation_id = call.message.invocation_id
        if call.refusal:
            completion = Completion(invocation_id=invocation_id, error=call.refusal)
        if invocation_id and not self._answer(call, completion):
            await self._connection.drain()

    async def _run_direct(self, call: Call) -> None:
        """The same, quicker: nothing is around the method, and nobody knows of the call."""
        connection, runtime, invocation_id = self._connection, self._runtime, call.message.invocation_id
        call.context = connection.context
        try:
            try:
                result = await call.method.function(runtime.new_hub(call), *call.arguments)
                room = not invocation_id or connection.send(Completion(invocation_id=invocation_id, result=result))
            except BaseException as error:
                failed = broken_off(call, error, self._log)
                room = not invocation_id or connection.send(failed)
            if not room:
                await connection.drain()
        except Exception:
            logger.exception("connection %s: %s could not be answered", connection.id, call.method.where)
        finally:
            call.release_slot()
            runtime.tasks.ended(call.task)

    async def _admit_again(self, call: Call, caller: HubCallerContext) -> None:
        """Whether a stream may go on after a refresh. A later refresh has the last word."""
        try:
            admitted_again = await admitted(call, caller)
        except BaseException as error:
            if ends_its_task(error):
                raise
            logger.exception("connection %s: a policy of %s failed", self._connection.id, call.method.where)
            admitted_again = False
        if not admitted_again and caller is self._connection.context and call in self._live:
            call.refuse(errors.UNAUTHORIZED.format(call.method.name))

    def _forget(self, call: Call) -> None:
        """The method has ended: its id is free, and what is still uploaded to it is ignored. Twice does no harm."""
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

    def _answer(self, call: Call, completion: Completion) -> bool:
        """Send the completion; a result that has no form on the wire is an error of the call. False: too much waits."""
        try:
            return self._connection.send(completion)
        except BaseException as error:  # whatever an encoder raises about a user's value
            return self._connection.send(failure(call, error, self._log))

    def _answer_error(self, message: Invocation | StreamInvocation, text: str, *, reason: str = "") -> None:
        self._log.note("", reason or text)
        if message.invocation_id:
            self._connection.send(Completion(invocation_id=message.invocation_id, error=text))
