"""Server-Sent Events: one response that does not end, and POST requests from the client."""

from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from hubline.connection import ConnectionScope, Transport
from hubline.transports.asgi_writer import AsgiWriter
from hubline.transports.base import Request, Resources, TransportType
from hubline.transports.cancel_scope import CancelScope, ScopeCancelled
from hubline.transports.carrier import Serve
from hubline.transports.disconnect import disconnected
from hubline.transports.session import Session
from hubline.wire.event_stream import HEADERS, event

OPENING = b":\r\n"
"""A comment, sent at once: browsers fire `open` when the first bytes arrive."""


class EventStreamCarrier:
    """Carries a session over one GET request, whose own task waits for the peer to leave."""

    def __init__(self, session: Session, request: Request, resources: Resources) -> None:
        self._session = session
        self._receive = request.receive
        self._send = request.send
        self._tasks = resources.tasks
        self._waiting = CancelScope()
        """Ends when the peer has left, or when nothing more will be written."""
        self._last_write = CancelScope()
        self._writer = AsgiWriter(
            session.outbox, self._write, tasks=resources.tasks, failed=lambda _: session.peer_left()
        )
        session.attach(self)

    @property
    def ready(self) -> bool:
        return self._writer.ready

    def wake(self) -> None:
        self._writer.wake()

    def finish(self, well: bool) -> None:
        self._tasks.start(self._finish())

    def abandon(self) -> None:
        self._writer.cancel()
        self._waiting.cancel()

    async def make_way(self) -> None:
        """Nothing to do: the endpoint refuses a second event stream."""

    async def run(self, serve: Serve) -> None:
        """Returns when the response has ended."""
        try:
            await self._send({"type": "http.response.start", "status": 200, "headers": [*HEADERS]})
            await self._send({"type": "http.response.body", "body": OPENING, "more_body": True})
            self._session.start(serve, self._tasks)
            await self._waiting.guard(lambda: disconnected(self._receive))
        except ScopeCancelled:
            await self._end()
        except OSError:
            pass  # the peer is gone
        finally:
            self._writer.cancel()  # the session no longer knows this carrier when it ends
            self._session.detach(self)

    async def _finish(self) -> None:
        await self._writer.join()
        self._waiting.cancel()

    async def _write(self, payload: bytes) -> None:
        await self._send({"type": "http.response.body", "body": event(payload), "more_body": True})

    async def _end(self) -> None:
        """End the response. A peer that does not read has `close_timeout` to take the rest."""
        self._session.set_deadline(self._session.options.close_timeout, self._last_write.cancel)
        with suppress(ScopeCancelled, OSError):
            await self._last_write.guard(lambda: self._send({"type": "http.response.body", "body": b""}))


def _matches(scope: ConnectionScope) -> bool:
    return scope.raw.get("method") == "GET" and scope.wants_events


def _carry(session: Session, request: Request, serve: Serve, resources: Resources) -> Coroutine[Any, Any, None]:
    return EventStreamCarrier(session, request, resources).run(serve)


TYPE = TransportType(Transport.SERVER_SENT_EVENTS, _matches, _carry)
