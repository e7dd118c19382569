"""The response to a viewer: one request, until the run ends or the viewer leaves."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from hubline import HubError
from hubline.extensions import aborter
from hubline.runs.http.dialects import Dialect
from hubline.runs.settings import Settings
from hubline.runs.tape import Shared
from hubline.runs.timers import Timer
from hubline.transports.cancel_scope import CancelScope, ScopeCancelled
from hubline.transports.disconnect import disconnected
from hubline.wire.event_stream import HEADERS

logger = logging.getLogger("hubline.runs")

KEEP_ALIVE = 15.0
"""Seconds of silence before a comment (runs.md H1)."""

EXPIRED = "The token has expired."

COMMENT = b":\n\n"
"""The first is sent at once: browsers fire `open` when the first bytes arrive."""


class RunResponse(Response):
    """The items of a run as Server-Sent Events, for one viewer. When the viewer leaves, it only detaches."""

    def __init__(
        self,
        items: AsyncGenerator[Shared, bool | None],
        dialect: Dialect,
        settings: Settings,
        until: float | None = None,
        readers: set[Callable[[], None]] | None = None,
    ) -> None:
        """`until` is when the reader's identity expires, in Unix time.

        While it is open, `readers` has a function that breaks it off.
        """
        self.status_code, self.background = 200, None
        self.body = b""
        self.raw_headers = [*HEADERS, *dialect.headers]
        self._items, self._dialect, self._settings, self._until = items, dialect, settings, until
        self._readers = readers if readers is not None else set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI. Returns when everything was written, or when the peer has left."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        if scope["method"] == "HEAD":
            await self._items.aclose()
            await send({"type": "http.response.body", "body": b""})
            return
        viewing = _Viewing(self._items, self._dialect, self._settings, send, self._until)
        viewing.break_off = aborter(scope) or viewing.over.cancel
        self._readers.add(viewing.break_off)
        writing = self._settings.tasks.start(viewing.run(), name="hubline.runs event stream")
        try:
            await viewing.over.guard(lambda: disconnected(receive))
        except ScopeCancelled:
            pass  # everything was written
        except OSError:
            pass  # the peer is gone
        finally:
            self._readers.discard(viewing.break_off)
            writing.cancel()
            await asyncio.wait([writing])
        if self.background is not None:
            await self.background()


class _Gone(Exception):
    """The peer is gone: nothing more can be written."""


class _Viewing:
    """Writes items, and a comment after a time without items. A lock orders the writes."""

    def __init__(
        self,
        items: AsyncGenerator[Shared, bool | None],
        dialect: Dialect,
        settings: Settings,
        send: Send,
        until: float | None,
    ) -> None:
        self.over = CancelScope()
        """Ends when nothing more will be written."""
        self.break_off: Callable[[], None] = self.over.cancel
        """Ends a response whose client does not read. If the server offers it, the connection is closed; on other
        servers the application returns early, which they log."""
        self._items, self._dialect, self._settings, self._send = items, dialect, settings, send
        self._turn = asyncio.Lock()
        self._written = settings.clock.now()
        self._timer: Timer | None = None
        self._until, self._expired = until, CancelScope()
        self._expiry: Timer | None = None
        self._ended = False
        """The last item has been written."""

    async def run(self) -> None:
        """Write all items. Raises only when it is cancelled."""
        self._timer = self._settings.timers.after(KEEP_ALIVE, self._beat)
        if self._until is not None:
            left = self._until - self._settings.now().timestamp()
            self._expiry = self._settings.timers.after(max(0.0, left), self._expire)
        try:
            await self._write(COMMENT + self._dialect.begin())
            try:
                async with aclosing(self._items) as items:
                    await self._expired.guard(lambda: self._write_all(items))
            except HubError as error:
                await self._write(self._dialect.refused(str(error)))
            except ScopeCancelled:
                await self._write(self._dialect.refused(EXPIRED))
            await self._write(self._dialect.end(), last=True)
        except _Gone:
            pass
        except Exception:
            logger.exception("an event stream of a run failed")
        finally:
            self._timer.cancel()
            if self._expiry is not None:
                self._expiry.cancel()
            self.over.cancel()

    async def _write_all(self, items: AsyncGenerator[Shared, bool | None]) -> None:
        dialect, again = self._dialect, None
        while not dialect.finished:
            try:
                item = await items.asend(again)
            except StopAsyncIteration:
                return
            payload = dialect.item(item)
            again = True if payload is None else None
            if payload:
                await self._write(payload)

    async def _write(self, payload: bytes, *, last: bool = False) -> None:
        async with self._turn:
            if self._ended:
                return  # the comment is too late
            self._ended = last
            try:
                await self._send({"type": "http.response.body", "body": payload, "more_body": not last})
            except Exception as error:  # ASGI servers differ in what they raise when the peer is gone
                raise _Gone from error
        self._written = self._settings.clock.now()

    def _beat(self) -> None:
        """Write a comment if the time of silence is over. A reader that is behind needs none."""
        left = self._written + KEEP_ALIVE - self._settings.clock.now()
        if left <= 0:
            left = KEEP_ALIVE
            if not self._turn.locked():
                self._settings.tasks.start(self._comment())
        self._timer = self._settings.timers.after(left, self._beat)

    def _expire(self) -> None:
        """The identity has expired. For a client that does not read, the response breaks off."""
        if self._turn.locked():
            self.break_off()
        else:
            self._expired.cancel()

    async def _comment(self) -> None:
        with suppress(_Gone):  # the task of the request gets it too
            await self._write(COMMENT)
