"""Long polling: output is sent in the responses of GET requests, one at a time; input arrives by POST."""

import asyncio
from collections.abc import Callable
from enum import Enum, auto
from functools import partial

from hubline._tasks import wake_up
from hubline.connection import ConnectionScope, Transport
from hubline.extensions import watch_disconnect
from hubline.transports.base import Request, Resources, TransportType
from hubline.transports.cancel_scope import CancelScope, ScopeCancelled
from hubline.transports.carrier import NOBODY, Serve
from hubline.transports.disconnect import disconnected
from hubline.transports.outbox import joined
from hubline.transports.responses import Answer, octets, plain
from hubline.transports.session import Session


class Reason(Enum):
    """Why a poll stops waiting. Only the first reason counts."""

    OUTPUT = auto()
    SUPERSEDED = auto()
    TIMEOUT = auto()
    ENDED = auto()
    LEFT = auto()


class Poll:
    """Carries a session for the time of one GET request: while it waits, and while its answer is written."""

    __slots__ = ("_detached", "_reason", "_request", "_session", "_wake", "_writing")

    def __init__(self, session: Session, request: Request) -> None:
        self._session, self._request = session, request
        self._reason: Reason | None = None
        self._writing = CancelScope()
        self._wake: Callable[[], None] | None = None
        self._detached: asyncio.Event | None = None
        session.attach(self)

    @property
    def ready(self) -> bool:
        return not self._session.outbox.in_flight

    def wake(self) -> None:
        """If there is no output, the poll is answered as if its time were over."""
        self._stop(Reason.OUTPUT)

    def finish(self, well: bool) -> None:
        """Nothing to do: an outbox that is finished has woken it."""

    def abandon(self) -> None:
        self._stop(Reason.ENDED)
        if self._session.outbox.writing:
            self._writing.cancel()  # its client does not read; a poll that waits still gets 204

    async def make_way(self) -> None:
        self._stop(Reason.SUPERSEDED)
        if self._detached is None:
            self._detached = asyncio.Event()
        await self._detached.wait()

    async def run(self, serve: Serve, resources: Resources) -> None:
        """Answer the poll. The first one starts the application and is answered at once."""
        session = self._session
        try:
            if not session.started:
                session.start(serve, resources.tasks)
                await self._write(octets(b""))
                return
            if not len(session.outbox) and not session.outbox.finished:
                session.set_deadline(session.options.poll_timeout, partial(self._stop, Reason.TIMEOUT))
                await self._wait()
            await self._answer()
        finally:
            session.detach(self, broken_off=self._reason is Reason.LEFT)
            if self._detached is not None:
                self._detached.set()

    async def _wait(self) -> None:
        """Wait for a reason to stop waiting."""
        if self._reason is not None:
            return
        if watch_disconnect(self._request.asgi, partial(self._stop, Reason.LEFT)):
            woken = asyncio.get_running_loop().create_future()
            self._wake = partial(wake_up, woken)
            await woken
            return
        waiting = CancelScope()
        self._wake = waiting.cancel
        try:
            with waiting:
                await disconnected(self._request.receive)
        except ScopeCancelled:
            return
        self._reason = Reason.LEFT

    def _stop(self, reason: Reason) -> None:
        if self._reason is None:
            self._reason = reason
            if self._wake is not None:
                self._wake()

    async def _answer(self) -> None:
        """Answer also if the client has left, because middleware fails if there is no response."""
        outbox, reason = self._session.outbox, self._reason
        if reason is Reason.LEFT:
            await self._write(plain(204).uncached())
        elif len(outbox) and reason is not Reason.SUPERSEDED:
            try:
                await self._write(octets(joined(outbox.take(None))))
            finally:
                outbox.sent()  # or lost: packets that a poll has taken are never sent again, as in the original
        elif reason is Reason.TIMEOUT or (reason is Reason.OUTPUT and not outbox.finished):
            await self._write(plain(200).uncached())
        else:
            await self._write(plain(204).uncached())
            if outbox.finished and reason is not Reason.SUPERSEDED:
                self._session.peer_left()

    async def _write(self, response: Answer) -> None:
        request = self._request
        try:
            with self._writing:
                await response(request.asgi, request.receive, request.send)
        except (ScopeCancelled, OSError):
            pass  # the session ended, or the client is gone


def _matches(scope: ConnectionScope) -> bool:
    return scope.raw.get("method") == "GET"


async def _carry(session: Session, request: Request, serve: Serve, resources: Resources) -> None:
    """A newer poll ends an older one."""
    while session.carrier is not NOBODY:
        await session.carrier.make_way()
    await Poll(session, request).run(serve, resources)


TYPE = TransportType(Transport.LONG_POLLING, _matches, _carry)
