"""Long polling: output goes out as the answers of GET requests, one at a time; input comes by POST."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from enum import Enum, auto

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from hubline._tasks import TaskOwner
from hubline.connection import ConnectionScope
from hubline.transports.interrupt import Interrupt, Interrupted
from hubline.transports.options import Transport
from hubline.transports.outbox import joined
from hubline.transports.pipe import Pipe, Serve, State
from hubline.transports.posting import disconnected
from hubline.transports.responses import NO_CACHE, plain


class Reason(Enum):
    """Why a poll stops waiting. The first reason counts."""

    OUTPUT = auto()
    SUPERSEDED = auto()
    TIMEOUT = auto()
    ENDED = auto()


class Poll:
    """One GET request while it waits, and while its answer is written."""

    __slots__ = ("done", "reason", "waiting", "writing")

    def __init__(self) -> None:
        self.reason: Reason | None = None
        self.waiting = Interrupt()
        self.writing = Interrupt()
        self.done = asyncio.Event()

    def end(self, reason: Reason) -> None:
        if self.reason is None:
            self.reason = reason
            self.waiting.fire()


class LongPollingTransport:
    """Carries one connection over one poll after another. `done` is called when nothing more is to be expected."""

    def __init__(self, pipe: Pipe, *, tasks: TaskOwner, done: Callable[[], None]) -> None:
        self._pipe = pipe
        self._tasks = tasks
        self._done = done
        self._poll: Poll | None = None
        self._application: asyncio.Task[None] | None = None
        pipe.carrier = self

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
            await older.done.wait()
        poll = self._poll = Poll()
        broken_off = False
        try:
            if self._pipe.state is not State.ENDED:
                self._pipe.carry(Transport.LONG_POLLING, connection_scope)
            if self._application is None:
                self._application = self._tasks.start(self._serve(serve))
                await self._write(poll, _output(b""), scope, receive, send)
            elif await self._wait(poll, receive):
                await self._answer(poll, scope, receive, send)
            else:
                broken_off = True
        finally:
            self._poll = None
            poll.done.set()
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

    async def _wait(self, poll: Poll, receive: Receive) -> bool:
        """Wait for something to answer. False when the client went away instead."""
        if len(self._pipe.outbox) or self._pipe.outbox.finished:
            return True
        self._pipe.set_deadline(self._pipe.options.poll_timeout, lambda: poll.end(Reason.TIMEOUT))
        try:
            await poll.waiting.guard(lambda: disconnected(receive))
        except Interrupted:
            return True
        return False

    async def _answer(self, poll: Poll, scope: Scope, receive: Receive, send: Send) -> None:
        outbox = self._pipe.outbox
        if len(outbox) and poll.reason is not Reason.SUPERSEDED:
            try:
                await self._write(poll, _output(joined(outbox.take(None))), scope, receive, send)
            finally:
                outbox.sent()  # or lost: what a poll has taken is never sent again, as in the original
        elif poll.reason is Reason.TIMEOUT:
            await self._write(poll, plain(200, headers=NO_CACHE), scope, receive, send)
        else:
            await self._write(poll, plain(204, headers=NO_CACHE), scope, receive, send)
            if outbox.finished and poll.reason is not Reason.SUPERSEDED:
                self._pipe.leave()

    async def _write(self, poll: Poll, response: Response, scope: Scope, receive: Receive, send: Send) -> None:
        with suppress(Interrupted, OSError):  # the connection ended, or the client is gone
            await poll.writing.guard(lambda: response(scope, receive, send))


def _output(body: bytes) -> Response:
    return Response(body, 200, {"content-type": "application/octet-stream", **NO_CACHE})
