import asyncio
import contextvars
import gc
import logging
from collections.abc import Awaitable
from typing import Any

import pytest

from hubline._tasks import TaskOwner, called, ends_its_task, is_current
from hubline.testing import ManualClock, settle


async def test_a_task_is_kept_while_it_runs_and_forgotten_when_it_ended() -> None:
    owner, go = TaskOwner("test"), asyncio.Event()
    task = owner.start(go.wait(), name="waiting")
    assert len(owner) == 1
    assert task.get_name() == "waiting"
    go.set()
    assert await task is True
    assert len(owner) == 0


async def test_a_task_that_fails_is_logged_and_takes_nobody_with_it(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise RuntimeError("boom")

    owner, go = TaskOwner("the owner"), asyncio.Event()
    other = owner.start(go.wait())
    owner.start(fail())
    go.set()
    await owner.join()
    assert other.result() is True
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.ERROR, "the owner: a task failed: RuntimeError('boom')")
    ]


async def test_cancel_waits_for_the_clean_up_and_for_tasks_that_it_starts(caplog: pytest.LogCaptureFixture) -> None:
    owner, steps = TaskOwner("test"), list[str]()

    async def last() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            steps.append("last")

    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            owner.start(last())
            steps.append("first")

    owner.start(stubborn())
    await asyncio.sleep(0)
    await owner.cancel()
    assert steps[0] == "first"
    assert len(owner) == 0
    assert caplog.records == []


async def test_cancelling_or_joining_nothing_returns_at_once() -> None:
    owner = TaskOwner("test")
    await owner.cancel()
    await owner.join()
    assert len(owner) == 0


async def test_a_task_that_ends_by_itself_has_its_name_from_the_start_and_comes_from_the_loops_factory() -> None:
    owner, loop, made = TaskOwner("test"), asyncio.get_running_loop(), list[str]()

    def factory(loop: asyncio.AbstractEventLoop, coroutine: Any, **settings: Any) -> "asyncio.Task[Any]":
        task: asyncio.Task[Any] = asyncio.Task(coroutine, loop=loop, **settings)
        made.append(task.get_name())
        return task

    async def work() -> None:
        owner.ended(asyncio.current_task())

    context = contextvars.copy_context()
    first = owner.begin(work(), loop, context=context, name="Chat.send")
    assert first.get_name() == "Chat.send"
    assert len(owner) == 1
    loop.set_task_factory(factory)
    second = owner.begin(work(), loop, context=context, name="Chat.send")
    assert second.get_name() == "Chat.send"
    await asyncio.gather(first, second)
    assert len(made) == 1
    assert len(owner) == 0


async def swallowing(kind: type[BaseException], losses: int = 1_000_000) -> None:
    """Loses its cancellations, and whatever else is of this kind."""
    while losses:
        try:
            await asyncio.Event().wait()
        except kind:
            losses -= 1


async def test_a_task_that_swallows_every_cancellation_is_named_and_stopped(caplog: pytest.LogCaptureFixture) -> None:
    owner = TaskOwner("the owner", describe=lambda task: f"<{task.get_name()}>")
    started = owner.start(swallowing(asyncio.CancelledError), name="one")
    begun = owner.begin(
        swallowing(asyncio.CancelledError), asyncio.get_running_loop(), context=contextvars.copy_context(), name="other"
    )
    await asyncio.sleep(0)
    await owner.cancel(grace=0.01)
    assert started.done()
    assert begun.done()
    assert len(owner) == 0
    assert sorted(caplog.messages) == [
        f"the owner: <{name}> did not end within 0.01 s of its cancellation and is abandoned"
        for name in ("one", "other")
    ]


async def test_a_task_that_lost_one_cancellation_ends_at_the_second(caplog: pytest.LogCaptureFixture) -> None:
    owner = TaskOwner("the owner")
    task = owner.start(swallowing(asyncio.CancelledError, losses=1))
    await asyncio.sleep(0)
    await owner.cancel(grace=0.01)
    assert task.done()
    assert caplog.messages == []


async def test_a_task_that_swallows_everything_holds_nobody(caplog: pytest.LogCaptureFixture) -> None:
    owner = TaskOwner("the owner")
    task = owner.start(swallowing(BaseException, losses=5), name="stubborn")
    await asyncio.sleep(0)
    await owner.cancel(grace=0.01)
    assert not task.done()
    assert len(owner) == 0
    assert len(caplog.messages) == 1
    while not task.done():
        task.cancel()
        await asyncio.sleep(0)


async def test_one_that_is_being_cancelled_is_left_to_its_clean_up() -> None:
    cleaned, go = [], asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await go.wait()
            cleaned.append(True)

    owner = TaskOwner("the owner")
    task = owner.start(work())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    ending = asyncio.create_task(owner.cancel(grace=5))
    await asyncio.sleep(0)
    go.set()
    await ending
    assert cleaned == [True]


def test_tasks_of_a_loop_that_was_closed_abruptly_are_forgotten_silently(caplog: pytest.LogCaptureFixture) -> None:
    owner = TaskOwner("the owner")
    loop = asyncio.new_event_loop()

    async def begin() -> None:
        owner.start(asyncio.Event().wait())

    loop.run_until_complete(begin())
    loop.close()
    owner.forget()
    gc.collect()
    assert caplog.messages == []


def test_tasks_of_a_loop_that_is_gone_can_be_forgotten() -> None:
    owner = TaskOwner("the owner")
    loop = asyncio.new_event_loop()
    event = asyncio.Event()

    async def begin() -> None:
        owner.start(event.wait())

    loop.run_until_complete(begin())
    owner.forget()
    assert len(owner) == 0
    asyncio.run(owner.cancel())
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


async def test_a_cancellation_ends_the_task_that_it_was_asked_of_and_no_other() -> None:
    async def catch(wait: Awaitable[object]) -> bool:
        try:
            await wait
        except asyncio.CancelledError as error:
            return ends_its_task(error)
        return False

    broken = asyncio.get_running_loop().create_future()
    broken.cancel()
    assert await catch(broken) is False
    task = asyncio.create_task(catch(asyncio.Event().wait()))
    await asyncio.sleep(0)
    task.cancel()
    assert await task is True
    assert ends_its_task(GeneratorExit())
    assert not ends_its_task(SystemExit())
    assert not ends_its_task(GeneratorExit(), asyncio.current_task()), "raised by what the task runs"
    assert ends_its_task(GeneratorExit(), task), "thrown into what another task has run"


async def test_a_coroutine_that_is_thrown_away_is_not_current() -> None:
    found = list[bool]()

    async def wait(task: asyncio.Task[Any] | None) -> None:
        try:
            await asyncio.Event().wait()
        except GeneratorExit:
            found.append(is_current(task))
            raise

    other = asyncio.create_task(asyncio.Event().wait())
    coroutine = wait(other)
    coroutine.send(None)
    coroutine.close()
    other.cancel()
    assert found == [False]
    assert is_current(asyncio.current_task())
    assert is_current(None)


def test_nothing_is_current_without_a_loop() -> None:
    assert not is_current(None)


@pytest.mark.parametrize("error", [StopIteration, GeneratorExit])
def test_what_a_future_cannot_hand_on_becomes_another_error(error: type[BaseException]) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(RuntimeError, match=f"a plain function raised {error.__name__}"):
        called(fail)


async def test_what_is_waited_for_has_a_limit_and_goes_on_behind_it() -> None:
    owner, clock = TaskOwner("test"), ManualClock()
    future = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(owner.done_before(future, clock.sleep(5)))
    await clock.advance(4.9)
    assert not waiting.done()
    await clock.advance(0.2)
    assert await waiting is False
    assert not future.done()
    waiting = asyncio.create_task(owner.done_before(future, clock.sleep(5)))
    await settle()
    future.set_result(None)
    assert await waiting is True
    await settle()
    assert len(owner) == 0, "the limit is no longer waited for"
