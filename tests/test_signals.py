import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest

from hubline._signals import StopSignals


@pytest.fixture
def handled() -> Iterator[Callable[[Any], list[int]]]:
    """Puts a handler on SIGTERM, as a server does; what it was called with."""
    before = signal.getsignal(signal.SIGTERM)
    calls: list[int] = []

    def put(handler: Any = None) -> list[int]:
        signal.signal(signal.SIGTERM, handler if handler is not None else lambda number, frame: calls.append(number))
        return calls

    yield put
    signal.signal(signal.SIGTERM, before)


async def test_a_signal_is_told_and_passed_on(handled: Callable[..., list[int]]) -> None:
    calls, told = handled(), asyncio.Event()
    server = signal.getsignal(signal.SIGTERM)
    signals = StopSignals(told.set)
    signals.listen()
    signal.raise_signal(signal.SIGTERM)
    assert calls == [signal.SIGTERM]
    await asyncio.wait_for(told.wait(), 30)
    signals.stop()
    assert signal.getsignal(signal.SIGTERM) is server


@pytest.mark.parametrize("present", [signal.SIG_DFL, signal.SIG_IGN, signal.default_int_handler])
async def test_where_nobody_stops_in_good_order_nothing_changes(
    handled: Callable[..., list[int]], present: Any
) -> None:
    handled(present)
    StopSignals(asyncio.Event().set).listen()
    assert signal.getsignal(signal.SIGTERM) is present


async def test_whoever_came_after_us_stays_and_is_served(handled: Callable[..., list[int]]) -> None:
    calls, told = handled(), asyncio.Event()
    signals = StopSignals(told.set)
    signals.listen()
    ours: Any = signal.getsignal(signal.SIGTERM)

    def later(number: int, frame: FrameType | None) -> None:
        ours(number, frame)

    signal.signal(signal.SIGTERM, later)
    signals.stop()
    assert signal.getsignal(signal.SIGTERM) is later
    signal.raise_signal(signal.SIGTERM)
    await asyncio.sleep(0)
    assert calls == [signal.SIGTERM]
    assert not told.is_set()


def test_the_handler_of_a_closed_loop_only_passes_on(handled: Callable[..., list[int]]) -> None:
    calls = handled()

    async def listen() -> StopSignals:
        signals = StopSignals(asyncio.Event().set)
        signals.listen()
        return signals

    signals = asyncio.run(listen())
    signal.raise_signal(signal.SIGTERM)
    assert calls == [signal.SIGTERM]
    signals.stop()


def test_outside_of_the_main_thread_nothing_is_tried(handled: Callable[..., list[int]]) -> None:
    handled()
    server = signal.getsignal(signal.SIGTERM)

    async def listen() -> None:
        StopSignals(asyncio.Event().set).listen()

    thread = threading.Thread(target=asyncio.run, args=(listen(),))
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGTERM) is server
