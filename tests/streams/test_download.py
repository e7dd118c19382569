import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from hubline.streams.download import in_thread, pump
from hubline.testing import settle


class Writer:
    """An `ItemWriter` with room for `room` items."""

    def __init__(self, room: int = 1000) -> None:
        self.room, self.items = room, list[Any]()
        self.drained = asyncio.Event()

    def write(self, packet: bytes) -> bool:
        self.items.append(int(packet))
        self.room -= 1
        return self.room > 0

    write_now = write

    async def drain(self) -> None:
        await self.drained.wait()


def encode(item: Any) -> bytes:
    return b"%d" % item


class Call:
    """What items are made for."""

    def __init__(self, *, cancelled: bool = False) -> None:
        self.cancelled = cancelled


class Closable:
    """An async iterator that is no generator."""

    def __init__(self) -> None:
        self.closed = 0

    def __aiter__(self) -> "Closable":
        return self

    async def __anext__(self) -> int:
        return 1

    async def aclose(self) -> None:
        self.closed += 1


async def count(n: int, steps: list[Any]) -> AsyncIterator[int]:
    try:
        for number in range(n):
            yield number
    finally:
        steps.append("closed")


@pytest.mark.statement(124)
async def test_every_item_is_sent_and_the_generator_closed() -> None:
    writer, steps = Writer(), list[Any]()
    await pump(count(3, steps), encode, writer, Call())
    assert writer.items == [0, 1, 2]
    assert steps == ["closed"]


async def test_it_waits_while_the_connection_is_behind() -> None:
    writer, steps = Writer(room=2), list[Any]()
    task = asyncio.create_task(pump(count(4, steps), encode, writer, Call()))
    await settle()
    assert writer.items == [0, 1]
    writer.room = 100
    writer.drained.set()
    await task
    assert writer.items == [0, 1, 2, 3]


async def test_cancelling_closes_the_generator_and_any_other_iterator() -> None:
    steps: list[Any] = []
    closable = Closable()
    for items in (count(4, steps), closable):
        task = asyncio.create_task(pump(items, encode, Writer(room=1), Call()))
        await settle()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert steps == ["closed"]
    assert closable.closed == 1


async def test_a_generator_that_loses_the_cancellation_of_its_task_is_closed_at_its_next_item() -> None:
    steps: list[str] = []
    call, writer = Call(), Writer()

    async def forgetful() -> AsyncIterator[int]:
        try:
            while True:
                yield len(steps)
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    steps.append("lost")
        finally:
            await asyncio.sleep(0)
            steps.append("closed")

    task = asyncio.create_task(pump(forgetful(), encode, writer, call))
    await settle()
    call.cancelled = True
    task.cancel()
    await task
    assert writer.items == [0]
    assert steps == ["lost", "closed"]


@pytest.mark.parametrize("waits", [True, False])
async def test_one_that_is_cancelled_before_it_begins_sees_that_at_its_first_wait(waits: bool) -> None:
    steps: list[str] = []

    async def items() -> AsyncIterator[int]:
        steps.append("begins")
        try:
            if waits:
                await asyncio.Event().wait()
            yield 1
        except asyncio.CancelledError:
            steps.append("is cancelled")
            raise
        finally:
            await asyncio.sleep(0)  # what cleans up is not interrupted
            steps.append("closes")

    writer = Writer()
    (result,) = await asyncio.gather(pump(items(), encode, writer, Call(cancelled=True)), return_exceptions=True)
    assert isinstance(result, asyncio.CancelledError) is waits
    assert steps == (["begins", "is cancelled", "closes"] if waits else ["begins", "closes"])
    assert writer.items == []


async def test_an_iterator_without_close_is_left_alone() -> None:
    class Two:
        left = 2

        def __aiter__(self) -> "Two":
            return self

        async def __anext__(self) -> int:
            if self.left == 0:
                raise StopAsyncIteration
            self.left -= 1
            return self.left

    writer = Writer()
    await pump(Two(), encode, writer, Call())
    assert writer.items == [1, 0]


async def test_errors_of_the_iterator_and_of_the_writer_go_on() -> None:
    async def failing() -> AsyncIterator[int]:
        yield 1
        raise LookupError("boom")

    with pytest.raises(LookupError):
        await pump(failing(), encode, Writer(), Call())

    def refuse(item: Any) -> bytes:
        raise TypeError("no encoding")

    steps: list[Any] = []
    with pytest.raises(TypeError):
        await pump(count(3, steps), refuse, Writer(), Call())
    assert steps == ["closed"]


async def test_a_blocking_generator_runs_in_threads_with_the_context_of_its_caller() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")
    variable.set("seen")

    def numbers() -> Iterator[tuple[int, bool, str]]:
        for number in range(2):
            yield number, threading.current_thread() is not threading.main_thread(), variable.get()

    assert [item async for item in in_thread(numbers())] == [(0, True, "seen"), (1, True, "seen")]
    assert [item async for item in in_thread([1, 2])] == [1, 2]


async def test_an_exception_of_a_blocking_generator_goes_on() -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise LookupError("boom")

    items = in_thread(failing())
    assert await anext(items) == 1
    with pytest.raises(LookupError):
        await anext(items)


async def test_a_cancelled_thread_is_waited_for_before_the_generator_is_closed() -> None:
    began, go, steps = threading.Event(), threading.Event(), list[str]()

    def slow() -> Iterator[int]:
        try:
            began.set()
            assert go.wait(30)
            steps.append("made")
            yield 1
        finally:
            steps.append("closed")

    async def read() -> None:
        async for _ in in_thread(slow()):
            steps.append("read")

    task = asyncio.create_task(read())
    assert await asyncio.to_thread(began.wait, 5)
    task.cancel()
    await settle()
    assert not task.done()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert steps == ["made", "closed"]


async def test_closing_before_the_first_item_closes_the_generator() -> None:
    class Closing:
        closed = False

        def __iter__(self) -> "Closing":
            return self

        def __next__(self) -> int:
            return 1

        def close(self) -> None:
            self.closed = True

    items = Closing()
    stream: Any = in_thread(items)
    assert await anext(stream) == 1
    await stream.aclose()
    assert items.closed
