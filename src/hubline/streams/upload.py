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
    """What a hub method iterates over. One reader; at most `capacity` items wait, plus the one that did not fit."""

    __slots__ = ("_capacity", "_closed", "_detailed", "_ended", "_error", "_items", "_read", "_room", "_wanted")

    def __init__(self, read: Callable[[Raw], T], capacity: int, *, detailed: bool = False) -> None:
        """`detailed`: whether the error about an item that does not fit says why."""
        self._read, self._capacity, self._detailed = read, capacity, detailed
        self._items: deque[T] = deque()
        self._ended = self._closed = False
        self._error: Exception | None = None
        self._wanted: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None

    def feed(self, item: Raw) -> asyncio.Future[None] | None:
        """Take an item. A future means that the buffer is full: it is done when there is room again.

        An item that does not fit the type ends the stream with an error for the method; the connection lives on.
        """
        if self._ended or self._closed:
            return None
        try:
            self._items.append(self._read(item))
        except BaseException as error:  # msgspec's, or whatever a validator of the user raises
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
        """No more items will come. `error` is raised to the reader behind the items that came before it."""
        if not self._ended:
            self._ended, self._error = True, error
            self._wake()
            self._release()

    def close(self) -> None:
        """The reader has gone: drop what is buffered and whatever comes later."""
        self._closed = True
        self._items.clear()
        self._wake()
        self._release()

    def __aiter__(self) -> "UploadStream[T]":
        return self

    async def __anext__(self) -> T:
        while not self._items:
            if self._closed or self._ended:
                await asyncio.sleep(0)  # who reads on after the end, again and again, must not hold everybody up
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
