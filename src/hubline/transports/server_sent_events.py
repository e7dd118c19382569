"""Server-Sent Events: one response that does not end, and POST requests the other way."""

from collections.abc import Callable
from contextlib import suppress

from starlette.types import Receive, Send

from hubline._tasks import TaskOwner
from hubline.transports.interrupt import Interrupt, Interrupted
from hubline.transports.pipe import Pipe, Serve
from hubline.transports.posting import disconnected
from hubline.transports.writer import Writer

HEADERS = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache,no-store"),
    (b"pragma", b"no-cache"),
    (b"content-encoding", b"identity"),
    (b"x-accel-buffering", b"no"),
]
"""As `ServerSentEventsServerTransport`; the last is ours, so that nginx passes events on at once."""

OPENING = b":\r\n"
"""A comment, sent at once: browsers fire `open` when the first bytes arrive."""


def event(payload: bytes) -> bytes:
    """One event: a data line for each line of the payload. A CR before its LF is dropped, as the original does."""
    lines = [b"data: " + line.removesuffix(b"\r") + b"\r\n" for line in payload.split(b"\n")]
    return b"".join([*lines, b"\r\n"])


class ServerSentEventsTransport:
    """Carries one connection over one GET request, whose own task waits for the peer to leave."""

    def __init__(self, pipe: Pipe, receive: Receive, send: Send, *, tasks: TaskOwner) -> None:
        self._pipe = pipe
        self._receive = receive
        self._send = send
        self._tasks = tasks
        self._closing = Interrupt()
        self._last_write = Interrupt()
        self._writer = Writer(pipe.outbox, self._write, tasks=tasks, failed=lambda _: pipe.leave())
        pipe.carrier = self

    @property
    def ready(self) -> bool:
        return self._writer.ready

    def wake(self) -> None:
        self._writer.wake()

    def abandon(self) -> None:
        self._writer.cancel()
        self._closing.fire()

    async def run(self, serve: Serve, done: Callable[[], None]) -> None:
        """Returns when the response has ended; `done` is called when the application has ended too."""
        application = None
        try:
            await self._send({"type": "http.response.start", "status": 200, "headers": [*HEADERS]})
            await self._send({"type": "http.response.body", "body": OPENING, "more_body": True})
            application = self._tasks.start(self._serve(serve))
            await self._closing.guard(lambda: disconnected(self._receive))
        except Interrupted:
            await self._end()
        except OSError:
            pass  # the peer is gone
        finally:
            self._pipe.leave()
            if application is None or application.done():
                done()
            else:
                application.add_done_callback(lambda _: done())

    async def _serve(self, serve: Serve) -> None:
        await self._pipe.serve(serve)
        self._pipe.outbox.finish()
        await self._writer.join()
        self._closing.fire()

    async def _write(self, payload: bytes) -> None:
        await self._send({"type": "http.response.body", "body": event(payload), "more_body": True})

    async def _end(self) -> None:
        """End the response, and give a peer that does not read `close_timeout` to let it through."""
        self._pipe.set_deadline(self._pipe.options.close_timeout, self._last_write.fire)
        with suppress(Interrupted, OSError):
            await self._last_write.guard(lambda: self._send({"type": "http.response.body", "body": b""}))
