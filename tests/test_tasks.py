import asyncio
import contextvars
import logging
from typing import Any

import pytest

from hubline._tasks import TaskOwner


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
