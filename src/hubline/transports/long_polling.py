"""Long polling: output goes out as the answers of GET requests, one at a time; input comes by POST."""

import asyncio
from collections.abc import Callable
from enum import Enum, auto
from functools import partial

from starlette.types import Receive, Scope, Send

from hubline._tasks import TaskOwner, wake_up
from hubline.connection import ConnectionScope, Transport
from hubline.extensions import watch_departure
from hubline.transports.interrupt import Interrupt, Interrupted
from hubline.transports.outbox import joined
from hubline.transports.pipe import Pipe, Serve, State
from hubline.transports.posting import disconnected
from hubline.transports.responses import Answer, octets, plain


class Reason(Enum):
    """Why a poll stops waiting. The first reason counts."""

    OUTPUT = auto()
    SUPERSEDED = auto()
    TIMEOUT = auto()
    ENDED = auto()
    LEFT = auto()


class Poll:
    """One GET request while it waits, and while its answer is written."""

    __slots__ = ("_done", "_wake", "reason", "writing")

    def __init__(self) -> None:
        self.reason: Reason | None = None
        self.writing = Interrupt()
        self._wake: Callable[[], None] | None = None
        self._done: asyncio.Event | None = None

    async def wait(self, scope: Scope, receive: Receive) -> None:
        """Wait for a reason to stop waiting."""
        if self.reason is not None:
            return
        if watch_departure(scope, self.leave):
            woken = asyncio.get_running_loop().create_future()
            self._wake = partial(wake_up, woken)
            await woken
            return
        waiting = Interrupt()
        self._wake = waiting.fire
        try:
            with waiting:
                await disconnected(receive)
        except Interrupted:
            return
        self.reason = Reason.LEFT

    def end(self, reason: Reason) -> None:
        if self.reason is None:
            self.reason = reason
            if self._wake is not None:
                self._wake()

    def leave(self) -> None:
        self.end(Reason.LEFT)

    def time_out(self) -> None:
        self.end(Reason.TIMEOUT)

    async def join(self) -> None:
        """Wait until it is answered."""
        if self._done is None:
            self._done = asyncio.Event()
        await self._done.wait()

    def finish(self) -> None:
        if self._done is not None:
            self._done.set()


class LongPollingTransport:
    """Carries one connection over one poll after another. `done` is called when nothing more is to be expected."""

    def __init__(self, pipe: Pipe, *, tasks: TaskOwner, done: Callable[[], None]) -> None:
        self._pipe = pipe
        self._tasks = tasks
        self._done = done
        self._poll: Poll | None = None
        self._application: asyncio.Task[None] | None = None
        pipe.carrier = self

    @property
    def ready(self) -> bool:
        return self._poll is not None and not self._pipe.outbox.in_flight

    def wake(self) -> None:
        if self._poll is not None:
            self._poll.end(Reason.OUTPUT)

    def abandon(self) -> None:
        if self._poll is not None:
            self._poll.end(Reason.ENDED)
            if self._pipe.outbox.writing:
                self._poll.writing.fire()  # its client does not read; who waits is still told 204
        if self._application is None or self._application.done():
            self._done()

    async def poll(
        self, serve: Serve, connection_scope: ConnectionScope, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Answer one poll. The first starts the application and is answered at once; a newer one ends an older one."""
        while (older := self._poll) is not None:
            older.end(Reason.SUPERSEDED)
            await older.join()
        poll = self._poll = Poll()
        broken_off = False
        try:
            if self._pipe.state is not State.ENDED:
                self._pipe.carry(Transport.LONG_POLLING, connection_scope)
            if self._application is None:
                self._application = self._tasks.start(self._serve(serve))
                await self._write(poll, octets(b""), scope, receive, send)
            elif len(self._pipe.outbox) or self._pipe.outbox.finished:
                await self._answer(poll, scope, receive, send)
            else:
                self._pipe.set_deadline(self._pipe.options.poll_timeout, poll.time_out)
                await poll.wait(scope, receive)
                broken_off = poll.reason is Reason.LEFT
                await self._answer(poll, scope, receive, send)
        finally:
            self._poll = None
            poll.finish()
            self._pipe.between_polls(broken_off=broken_off)

    async def _serve(self, serve: Serve) -> None:
        try:
            await self._pipe.serve(serve)
        finally:
            self._pipe.outbox.finish()
            if self._pipe.terminated and self._poll is None:
                self._pipe.leave()
            if self._pipe.state is State.ENDED:
                self._done()

    async def _answer(self, poll: Poll, scope: Scope, receive: Receive, send: Send) -> None:
        """Also one whose client has left: nobody reads it, but middleware in between fails without an answer."""
        outbox = self._pipe.outbox
        if poll.reason is Reason.LEFT:
            await self._write(poll, plain(204).uncached(), scope, receive, send)
        elif len(outbox) and poll.reason is not Reason.SUPERSEDED:
            try:
                await self._write(poll, octets(joined(outbox.take(None))), scope, receive, send)
            finally:
                outbox.sent()  # or lost: what a poll has taken is never sent again, as in the original
        elif poll.reason is Reason.TIMEOUT:
            await self._write(poll, plain(200).uncached(), scope, receive, send)
        else:
            await self._write(poll, plain(204).uncached(), scope, receive, send)
            if outbox.finished and poll.reason is not Reason.SUPERSEDED:
                self._pipe.leave()

    async def _write(self, poll: Poll, response: Answer, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            with poll.writing:
                await response(scope, receive, send)
        except (Interrupted, OSError):
            pass  # the connection ended, or the client is gone
