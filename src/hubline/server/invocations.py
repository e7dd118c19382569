"""What is in flight on a connection: cancellations, upload streams, and results awaited of the client."""

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

from msgspec import UNSET, Raw

from hubline.errors import ConnectionClosed, HubError, RemoteProtocolError, text_of
from hubline.server.turns import let_others
from hubline.streams.upload import UploadStream
from hubline.wire.messages import Completion


class Cancellation:
    """Tells code that its result is no longer wanted. Asking costs nothing; waiting for it is optional."""

    __slots__ = ("_event", "_requested")

    def __init__(self) -> None:
        self._requested = False
        self._event: asyncio.Event | None = None  # made for those who wait: every connection has a `Cancellation`

    @property
    def requested(self) -> bool:
        """Whether the result is no longer wanted. Once true, it stays true."""
        return self._requested

    async def wait(self) -> None:
        """Return when cancellation is requested."""
        if self._requested:
            await let_others()
            return
        if self._event is None:
            self._event = asyncio.Event()
        await self._event.wait()

    def request(self) -> None:
        """Ask for the end, and wake up who waits. Called by Hubline; again does nothing."""
        self._requested = True
        if self._event is not None:
            self._event.set()


class PendingResult:
    """The answer of a client that somebody on this server waits for."""

    __slots__ = ("connection_id", "deadline", "future", "read")

    def __init__(self, connection_id: str, read: Callable[[Raw], Any], deadline: float) -> None:
        self.connection_id, self.read, self.deadline = connection_id, read, deadline
        self.future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def fail(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)

    def complete(self, message: Completion) -> None:
        """Settle with what the client answered. Its error text travels on, as in the original."""
        if self.future.done():
            return
        if message.error is not UNSET:
            self.fail(HubError(message.error))
        elif message.result is UNSET:
            self.fail(HubError(""))
        else:
            try:
                self.future.set_result(self.read(message.result))
            except BaseException as error:  # msgspec's, or whatever a validator of the user raises
                self.fail(HubError(f"Error trying to deserialize result. {text_of(error)}"))


class ClientResults:
    """All awaited client results of one hub; ids are unique in the process, so a foreign answer is recognised."""

    def __init__(self) -> None:
        self._pending: dict[str, PendingResult] = {}
        self._asked: dict[str, set[str]] = {}
        self._numbers = itertools.count(1)

    def __len__(self) -> int:
        return len(self._pending)

    def expect(self, connection_id: str, read: Callable[[Raw], Any], deadline: float) -> tuple[str, PendingResult]:
        """Register an answer to wait for. The id starts with `s`, which keeps clear of clients' stream ids."""
        invocation_id = f"s{next(self._numbers)}"
        pending = self._pending[invocation_id] = PendingResult(connection_id, read, deadline)
        self._asked.setdefault(connection_id, set()).add(invocation_id)
        return invocation_id, pending

    def forget(self, invocation_id: str) -> None:
        """Stop waiting; an answer that still comes is ignored."""
        pending = self._pending.pop(invocation_id, None)
        if pending is not None:
            asked = self._asked[pending.connection_id]
            asked.discard(invocation_id)
            if not asked:
                del self._asked[pending.connection_id]

    def complete(self, connection_id: str, message: Completion) -> None:
        """Settle the result that this completion answers; one that nobody waits for is ignored.

        Raises:
            RemoteProtocolError: it was asked of another connection; the original closes the one that answered.
        """
        pending = self._pending.get(message.invocation_id)
        if pending is None:
            return
        if pending.connection_id != connection_id:
            raise RemoteProtocolError(
                f"Connection ID '{connection_id}' is not valid for invocation ID '{message.invocation_id}'."
            )
        self.forget(message.invocation_id)
        pending.complete(message)

    def expire(self, connection_id: str, now: float) -> bool:
        """Fail what has waited too long for this connection; whether something still waits.

        Called by its heartbeat: kept to about a second.
        """
        for invocation_id in tuple(self._asked.get(connection_id, ())):
            pending = self._pending[invocation_id]
            if now >= pending.deadline:
                self.forget(invocation_id)
                pending.fail(HubError("Invocation canceled by the server."))
        return connection_id in self._asked

    def disconnected(self, connection_id: str) -> None:
        """Fail everything that is asked of a connection that ended."""
        for invocation_id in tuple(self._asked.get(connection_id, ())):
            pending = self._pending[invocation_id]
            self.forget(invocation_id)
            pending.fail(ConnectionClosed(f"Connection '{connection_id}' disconnected."))


class Uploads:
    """The client-to-server streams of one connection, by stream id."""

    __slots__ = ("_streams",)

    def __init__(self) -> None:
        self._streams: dict[str, UploadStream[Any]] = {}

    def __len__(self) -> int:
        return len(self._streams)

    def __contains__(self, stream_id: str) -> bool:
        return stream_id in self._streams

    def open(self, stream_id: str, stream: UploadStream[Any]) -> None:
        self._streams[stream_id] = stream

    def close(self, stream_id: str) -> None:
        """The method has ended: whatever the client still sends for this stream is ignored."""
        stream = self._streams.pop(stream_id, None)
        if stream is not None:
            stream.close()

    def item(self, stream_id: str, item: Raw) -> asyncio.Future[None] | None:
        """Hand an item over. A future means that the buffer is full: read on when it is done."""
        stream = self._streams.get(stream_id)
        return stream.feed(item) if stream is not None else None

    def complete(self, message: Completion) -> bool:
        """End the stream this completion is for; False when it is for none."""
        stream = self._streams.pop(message.invocation_id, None)
        if stream is None:
            return False
        stream.finish(None if message.error is UNSET else HubError(message.error))
        return True

    def fail_all(self, error: Exception) -> None:
        """The connection ended: whoever reads an upload learns it."""
        for stream in self._streams.values():
            stream.finish(error)
        self._streams.clear()
