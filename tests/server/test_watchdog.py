"""A thread that names what blocks the loop. A blocked loop is real time, so the limit is short here."""

import asyncio
import logging
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

import pytest

from hubline.server.watchdog import BlockingWatchdog

LIMIT = 0.02


class Warned(logging.Handler):
    """Sets its event when something is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.event = threading.Event()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())
        self.event.set()


@pytest.fixture
def warned() -> Iterator[Warned]:
    handler = Warned()
    logger = logging.getLogger("hubline.watchdog")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


async def blocking(until: threading.Event) -> None:
    _inside(until)


def _inside(until: threading.Event) -> None:
    assert until.wait(30)


def other(until: threading.Event) -> None:
    assert until.wait(30)


async def ended(watchdog: BlockingWatchdog) -> None:
    watchdog.stop()
    thread = watchdog._thread
    assert thread is not None
    await asyncio.to_thread(thread.join, 5)
    assert not thread.is_alive()


async def test_a_method_that_blocks_is_named_once_with_the_place(warned: Warned) -> None:
    watchdog = BlockingWatchdog(LIMIT, {blocking.__code__: "ChatHub.ask"})
    watchdog.start()
    watchdog.start()
    await blocking(warned.event)
    await ended(watchdog)
    (text,) = warned.texts
    assert text.startswith("ChatHub.ask blocks the event loop for more than 20 ms, at ")
    assert "(wait)" in text or "(_inside)" in text
    assert "plain `def`, which runs in a thread" in text


async def test_each_occurrence_is_named(warned: Warned) -> None:
    watchdog = BlockingWatchdog(LIMIT, {blocking.__code__: "ChatHub.ask"})
    watchdog.start()
    for _ in range(2):
        await blocking(warned.event)
        warned.event.clear()
        answered = asyncio.Event()
        while watchdog._answered < watchdog._asked or watchdog._reported:  # the loop breathes until it was seen to
            asyncio.get_running_loop().call_later(LIMIT / 4, answered.set)
            await answered.wait()
            answered.clear()
    await ended(watchdog)
    assert len(warned.texts) == 2


async def test_what_is_not_a_hub_method_is_not_named(warned: Warned) -> None:
    watchdog = BlockingWatchdog(LIMIT, {blocking.__code__: "ChatHub.ask"})
    looked = threading.Event()
    report = watchdog._report

    def reporting(innermost: FrameType | None) -> None:
        report(innermost)
        looked.set()

    watchdog._report = reporting  # type: ignore[method-assign]
    watchdog.start()
    other(looked)
    await ended(watchdog)
    assert warned.texts == []


async def test_it_watches_again_after_it_was_stopped(warned: Warned) -> None:
    watchdog = BlockingWatchdog(LIMIT, {blocking.__code__: "ChatHub.ask"})
    watchdog.start()
    await ended(watchdog)
    watchdog.start()
    await blocking(warned.event)
    await ended(watchdog)
    assert len(warned.texts) == 1


def test_it_ends_with_its_loop_and_watches_the_next(warned: Warned) -> None:
    watchdog = BlockingWatchdog(LIMIT, {blocking.__code__: "ChatHub.ask"})
    asked = threading.Event()

    async def first() -> None:
        """Ends in the moment between a question of the watchdog and the answer of the loop."""
        loop = asyncio.get_running_loop()

        def never(callback: Any, *args: Any) -> None:
            asked.set()

        loop.call_soon_threadsafe = never  # type: ignore[assignment,method-assign]
        watchdog.start()
        assert asked.wait(30)

    async def second() -> None:
        watchdog.start()
        assert watchdog._answered == watchdog._asked == 0
        await blocking(warned.event)
        await ended(watchdog)

    loop = asyncio.new_event_loop()
    loop.run_until_complete(first())
    loop.close()
    watchdog.stop()
    thread = watchdog._thread
    assert thread is not None
    thread.join(30)
    asyncio.run(second())
    assert len(warned.texts) == 1


def test_the_thread_ends_when_the_loop_is_closed() -> None:
    watchdog = BlockingWatchdog(LIMIT, {})

    async def start() -> None:
        watchdog.start()

    asyncio.run(start())
    thread = watchdog._thread
    assert thread is not None
    thread.join(30)
    assert not thread.is_alive()
