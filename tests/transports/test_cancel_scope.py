"""Ending an await from outside must never eat a real cancellation, nor leave one behind."""

import asyncio
from contextlib import suppress

import pytest

from hubline.testing import settle
from hubline.transports.cancel_scope import CancelScope, ScopeCancelled


async def guarded(scope: CancelScope, future: "asyncio.Future[str]") -> str:
    """The result, or how the await ended; `clean` tells that the task bears no trace of a cancellation."""
    try:
        return await scope.guard(lambda: future)
    except ScopeCancelled:
        task = asyncio.current_task()
        assert task is not None
        await asyncio.sleep(0)  # a cancellation left behind would surface here
        return "interrupted" if task.cancelling() == 0 else "interrupted, but cancelling"


def start(scope: CancelScope) -> "tuple[asyncio.Future[str], asyncio.Task[str]]":
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    return future, loop.create_task(guarded(scope, future))


async def test_an_await_that_is_left_alone_gives_its_result() -> None:
    future, task = start(CancelScope())
    await settle()
    future.set_result("data")
    assert await task == "data"


async def test_fire_ends_a_waiting_await_and_leaves_no_cancellation() -> None:
    scope = CancelScope()
    future, task = start(scope)
    await settle()
    scope.cancel()
    scope.cancel()
    assert await task == "interrupted"
    assert future.cancelled()


async def test_fire_before_the_await_starts_ends_it_at_once() -> None:
    scope = CancelScope()
    scope.cancel()
    future, task = start(scope)
    assert await task == "interrupted"
    assert not future.cancelled(), "it was not even awaited"


async def test_a_result_that_arrives_in_the_same_turn_does_not_leave_a_cancellation_behind() -> None:
    scope = CancelScope()
    future, task = start(scope)
    await settle()
    future.set_result("data")
    scope.cancel()
    assert await task == "interrupted"


@pytest.mark.parametrize("first", ["fire", "cancel"])
async def test_a_real_cancellation_in_the_same_turn_wins(first: str) -> None:
    scope = CancelScope()
    _, task = start(scope)
    await settle()
    for action in (scope.cancel, task.cancel) if first == "fire" else (task.cancel, scope.cancel):
        action()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def test_a_real_cancellation_alone_passes() -> None:
    scope = CancelScope()
    _, task = start(scope)
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_real_cancellation_after_the_interruption_is_seen() -> None:
    scope = CancelScope()
    caught = asyncio.Event()

    async def wait_twice() -> None:
        with pytest.raises(ScopeCancelled):
            await scope.guard(asyncio.Event().wait)
        caught.set()
        await asyncio.Event().wait()

    task = asyncio.get_running_loop().create_task(wait_twice())
    await settle()
    scope.cancel()
    await caught.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_timeout_around_it_still_works() -> None:
    scope = CancelScope()
    loop = asyncio.get_running_loop()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout_at(loop.time()):
            await scope.guard(asyncio.Event().wait)
    assert not scope.cancelled


async def test_a_server_that_swallows_the_cancellation_does_not_keep_us() -> None:
    scope = CancelScope()

    async def stubborn() -> str:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return "swallowed"

    async def run() -> str:
        try:
            return await scope.guard(stubborn)
        except ScopeCancelled:
            task = asyncio.current_task()
            return f"interrupted, {task.cancelling() if task else None} cancellations left"

    task = asyncio.get_running_loop().create_task(run())
    await settle()
    scope.cancel()
    assert await task == "interrupted, 0 cancellations left"


async def test_a_server_that_answers_the_cancellation_with_an_error_leaves_none_behind() -> None:
    scope = CancelScope()

    async def failing() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise RuntimeError("closed") from None

    async def run() -> int:
        with pytest.raises(RuntimeError):
            await scope.guard(failing)
        task = asyncio.current_task()
        assert task is not None
        return task.cancelling()

    task = asyncio.get_running_loop().create_task(run())
    await settle()
    scope.cancel()
    assert await task == 0
