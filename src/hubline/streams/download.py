"""Server-to-client streams: an async iterator becomes stream items, never faster than the client takes them."""

import asyncio
import contextvars
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, Protocol, TypeVar

from msgspec import UNSET, UnsetType

from hubline._tasks import called

T = TypeVar("T")

_END = object()


class ItemWriter(Protocol):
    """Where items go: a connection."""

    @property
    def write(self) -> Callable[[bytes], bool]:
        """Queues an encoded item; False when the caller should `drain()` before it sends more. May change meanwhile."""

    async def drain(self) -> None: ...


class Cancellable(Protocol):
    """What items are made for: a call."""

    @property
    def cancelled(self) -> bool:
        """Whether they are no longer wanted. An iterator may have lost the cancellation of its task."""


async def pump(
    items: AsyncIterable[Any], encode: Callable[[Any], bytes], writer: ItemWriter, call: Cancellable
) -> UnsetType:
    """Send every item until `call` is cancelled, waiting whenever the connection is behind. A stream has no result.

    One that was cancelled before it began begins all the same, and is interrupted at its first wait. The iterator is
    closed however it ends. Raises whatever the iterator raises, and what encoding an item raises.
    """
    iterator = aiter(items)
    try:
        if call.cancelled:
            await interrupted(anext(iterator, None))
            return UNSET
        async for item in iterator:
            if call.cancelled:
                break
            if not writer.write(encode(item)):
                await writer.drain()
        return UNSET
    finally:
        close = getattr(iterator, "aclose", None)
        if close is not None:
            await close()


async def interrupted(step: Awaitable[T]) -> T:
    """Await something whose task is to be cancelled at the first wait, and not before it has begun."""
    task = asyncio.current_task()
    assert task is not None
    interruption = asyncio.get_running_loop().call_soon(task.cancel)
    try:
        return await step
    finally:
        interruption.cancel()


async def in_thread(items: Iterable[Any]) -> AsyncIterator[Any]:
    """Iterate what may block in worker threads, one item at a time, so that it cannot stall the loop.

    A thread can't be interrupted: when the stream is cancelled, the item being made is waited for, then dropped.
    """
    loop, context = asyncio.get_running_loop(), contextvars.copy_context()
    iterator = iter(items)
    step: asyncio.Future[Any] | None = None
    try:
        while True:
            step = loop.run_in_executor(None, lambda: context.run(called, next, iterator, _END))
            item = await asyncio.shield(step)
            if item is _END:
                return
            yield item
    finally:
        if step is not None and not step.done():
            await asyncio.wait([step])
        close = getattr(iterator, "close", None)
        if close is not None:
            await asyncio.to_thread(called, close)
