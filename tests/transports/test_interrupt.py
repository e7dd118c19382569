"""Ending an await from outside must never eat a real cancellation, nor leave one behind."""

import asyncio
from contextlib import suppress

import pytest

from hubline.transports.interrupt import Interrupt, Interrupted
from tests.transports.driver import settle


async def guarded(interrupt: Interrupt, future: "asyncio.Future[str]") -> str:
    """The result, or how the await ended; `clean` tells that the task bears no trace of a cancellation."""
    try:
        return await interrupt.guard(lambda: future)
    except Interrupted:
        task = asyncio.current_task()
        assert task is not None
        await asyncio.sleep(0)  # a cancellation left behind would surface here
        return "interrupted" if task.cancelling() == 0 else "interrupted, but cancelling"


def start(interrupt: Interrupt) -> "tuple[asyncio.Future[str], asyncio.Task[str]]":
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    return future, loop.create_task(guarded(interrupt, future))


async def test_an_await_that_is_left_alone_gives_its_result() -> None:
    future, task = start(Interrupt())
    await settle()
    future.set_result("data")
    assert await task == "data"


async def test_fire_ends_a_waiting_await_and_leaves_no_cancellation() -> None:
    interrupt = Interrupt()
    future, task = start(interrupt)
    await settle()
    interrupt.fire()
    interrupt.fire()
    assert await task == "interrupted"
    assert future.cancelled()


async def test_fire_before_the_await_starts_ends_it_at_once() -> None:
    interrupt = Interrupt()
    interrupt.fire()
    future, task = start(interrupt)
    assert await task == "interrupted"
    assert not future.cancelled(), "it was not even awaited"


async def test_a_result_that_arrives_in_the_same_turn_does_not_leave_a_cancellation_behind() -> None:
    interrupt = Interrupt()
    future, task = start(interrupt)
    await settle()
    future.set_result("data")
    interrupt.fire()
    assert await task == "interrupted"


@pytest.mark.parametrize("first", ["fire", "cancel"])
async def test_a_real_cancellation_in_the_same_turn_wins(first: str) -> None:
    interrupt = Interrupt()
    _, task = start(interrupt)
    await settle()
    for action in (interrupt.fire, task.cancel) if first == "fire" else (task.cancel, interrupt.fire):
        action()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def test_a_real_cancellation_alone_passes() -> None:
    interrupt = Interrupt()
    _, task = start(interrupt)
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_real_cancellation_after_the_interruption_is_seen() -> None:
    interrupt = Interrupt()
    caught = asyncio.Event()

    async def wait_twice() -> None:
        with pytest.raises(Interrupted):
            await interrupt.guard(asyncio.Event().wait)
        caught.set()
        await asyncio.Event().wait()

    task = asyncio.get_running_loop().create_task(wait_twice())
    await settle()
    interrupt.fire()
    await caught.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_timeout_around_it_still_works() -> None:
    interrupt = Interrupt()
    loop = asyncio.get_running_loop()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout_at(loop.time()):
            await interrupt.guard(asyncio.Event().wait)
    assert not interrupt.fired


async def test_a_server_that_swallows_the_cancellation_does_not_keep_us() -> None:
    interrupt = Interrupt()

    async def stubborn() -> str:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return "swallowed"

    async def run() -> str:
        try:
            return await interrupt.guard(stubborn)
        except Interrupted:
            task = asyncio.current_task()
            return f"interrupted, {task.cancelling() if task else None} cancellations left"

    task = asyncio.get_running_loop().create_task(run())
    await settle()
    interrupt.fire()
    assert await task == "interrupted, 0 cancellations left"


async def test_a_server_that_answers_the_cancellation_with_an_error_leaves_none_behind() -> None:
    interrupt = Interrupt()

    async def failing() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise RuntimeError("closed") from None

    async def run() -> int:
        with pytest.raises(RuntimeError):
            await interrupt.guard(failing)
        task = asyncio.current_task()
        assert task is not None
        return task.cancelling()

    task = asyncio.get_running_loop().create_task(run())
    await settle()
    interrupt.fire()
    assert await task == 0
