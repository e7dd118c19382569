"""Queues, and when their fullness stops the reading."""

import asyncio

from hubline.client.pacing import Pacing, Queue
from hubline.testing import settle


def full(pacing: Pacing) -> Queue[int]:
    queue: Queue[int] = Queue(pacing, 2)
    queue.put(1)
    assert not pacing.blocked
    queue.put(2)
    return queue


async def test_a_full_queue_blocks_until_half_is_read() -> None:
    pacing = Pacing()
    queue = full(pacing)
    assert pacing.blocked
    waiting = asyncio.ensure_future(pacing.wait())
    await settle()
    assert not waiting.done()
    assert await queue.get() == 1
    await waiting
    assert len(queue) == 1


async def test_a_call_that_waits_lets_it_read_on() -> None:
    pacing = Pacing()
    full(pacing)
    waiting = asyncio.ensure_future(pacing.wait())
    await settle()
    pacing.calls += 1
    pacing.changed()
    await waiting
    pacing.calls -= 1
    assert pacing.blocked


async def test_a_reader_that_waits_for_another_queue_lets_it_read_on() -> None:
    pacing = Pacing()
    queue, other = full(pacing), Queue[int](pacing, 2)

    async def read() -> list[int]:
        return [await queue.get(), await other.get()]

    queue.put(3)
    waiting = asyncio.ensure_future(pacing.wait())
    reading = asyncio.ensure_future(read())
    await waiting
    assert not pacing.blocked
    other.put(5)
    assert await reading == [1, 5]


async def test_somebody_else_who_waits_does_not() -> None:
    pacing = Pacing()
    queue, quiet = full(pacing), Queue[int](pacing, 2)
    queue.put(3)
    await queue.get()
    waiting = asyncio.ensure_future(quiet.get())
    await settle()
    assert pacing.blocked
    queue.end()
    assert not pacing.blocked
    quiet.put(1)
    assert await waiting == 1


async def test_many_that_come_together() -> None:
    pacing = Pacing()
    queue = Queue[int](pacing, 4)

    async def read(count: int) -> list[int]:
        return [await queue.get() for _ in range(count)]

    reading = asyncio.ensure_future(read(1))
    await settle()
    assert pacing.idle == {reading}
    queue.put_all(range(6))
    assert await reading == [0]
    assert pacing.blocked
    assert pacing.idle == set()
    assert queue.reader is reading
    assert await read(2) == [1, 2]
    queue.put(6)
    other = asyncio.ensure_future(read(1))
    assert await other == [3]
    assert queue.reader is other, "who reads now, and not who waited"
    assert pacing.blocked
    assert await read(1) == [4]
    assert not pacing.blocked
