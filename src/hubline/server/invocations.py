"""Cancellations and upload streams of a connection."""

import asyncio
from typing import Any

from msgspec import UNSET, Raw

from hubline.errors import HubError
from hubline.server.yielding import yield_to_loop
from hubline.streams.upload import UploadStream
from hubline.wire.messages import Completion


class Cancellation:
    """Tells a method that its result is no longer needed."""

    __slots__ = ("_event", "_requested")

    def __init__(self) -> None:
        self._requested = False
        self._event: asyncio.Event | None = None  # made when somebody waits: every connection has a `Cancellation`

    @property
    def requested(self) -> bool:
        """Whether the result is no longer needed. Once true, it stays true."""
        return self._requested

    async def wait(self) -> None:
        """Return when cancellation is requested."""
        if self._requested:
            await yield_to_loop()
            return
        if self._event is None:
            self._event = asyncio.Event()
        await self._event.wait()

    def request(self) -> None:
        """Request the cancellation and wake waiting tasks. Hubline calls it. A second call does nothing."""
        self._requested = True
        if self._event is not None:
            self._event.set()


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
        """The method has ended: later items of this stream are ignored."""
        stream = self._streams.pop(stream_id, None)
        if stream is not None:
            stream.close()

    def item(self, stream_id: str, item: Raw) -> asyncio.Future[None] | None:
        """Pass an item on. If it returns a future, the buffer is full: read on when the future is done."""
        stream = self._streams.get(stream_id)
        return stream.feed(item) if stream is not None else None

    def complete(self, message: Completion) -> bool:
        """End the stream that this completion is for. False if there is none."""
        stream = self._streams.pop(message.invocation_id, None)
        if stream is None:
            return False
        stream.finish(None if message.error is UNSET else HubError(message.error))
        return True

    def fail_all(self, error: Exception) -> None:
        """The connection has ended: end the uploads with an error for their readers."""
        for stream in self._streams.values():
            stream.finish(error)
        self._streams.clear()
