"""Client-to-server streams: a bounded buffer between the read loop and the method that iterates."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Generic, TypeVar

from msgspec import Raw

from hubline._tasks import wake_up
from hubline.errors import HubError, text_of

T = TypeVar("T")

_MISFIT = "Failed to bind Stream message."
"""The original's text; asked from a running server."""


class UploadStream(AsyncIterator[T], Generic[T]):
    """The iterator of an upload. It has one reader. At most `capacity` items wait, and one that found no room."""

    __slots__ = ("_capacity", "_closed", "_detailed", "_ended", "_error", "_items", "_read", "_room", "_wanted")

    def __init__(self, read: Callable[[Raw], T], capacity: int, *, detailed: bool = False) -> None:
        """`detailed`: whether the error about an item of the wrong type says why."""
        self._read, self._capacity, self._detailed = read, capacity, detailed
        self._items: deque[T] = deque()
        self._ended = self._closed = False
        self._error: Exception | None = None
        self._wanted: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None

    def feed(self, item: Raw) -> asyncio.Future[None] | None:
        """Add an item. If the buffer is full, returns a future that is done when there is room again.

        An item of the wrong type ends the stream with an error for the method. The connection stays open.
        """
        if self._ended or self._closed:
            return None
        try:
            self._items.append(self._read(item))
        except BaseException as error:  # msgspec's error, or any exception of a user's validator
            refusal = HubError(f"{_MISFIT} {text_of(error)}" if self._detailed else _MISFIT)
            refusal.__cause__ = error
            self.finish(refusal)
            return None
        self._wake()
        if len(self._items) <= self._capacity:
            return None
        self._room = asyncio.get_running_loop().create_future()
        return self._room

    def finish(self, error: Exception | None = None) -> None:
        """There are no more items. `error` is raised to the reader after the items that arrived before it."""
        if not self._ended:
            self._ended, self._error = True, error
            self._wake()
            self._release()

    def close(self) -> None:
        """The reader has gone: drop the buffered items and all later ones."""
        self._closed = True
        self._items.clear()
        self._wake()
        self._release()

    def __aiter__(self) -> "UploadStream[T]":
        return self

    async def __anext__(self) -> T:
        while not self._items:
            if self._closed or self._ended:
                await asyncio.sleep(0)  # a method that reads in a loop after the end must not block the event loop
                error, self._error = self._error, None
                if error is not None and not self._closed:
                    raise error
                raise StopAsyncIteration
            self._wanted = asyncio.get_running_loop().create_future()
            await self._wanted
        item = self._items.popleft()
        if len(self._items) <= self._capacity:
            self._release()
        return item

    def _wake(self) -> None:
        wake_up(self._wanted)

    def _release(self) -> None:
        wake_up(self._room)
