"""Waiting in a thread for what another thread does."""

import signal
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future

import pytest

from hubline import _waiting
from hubline._waiting import GLANCE, result_of


class Watched(Future[int]):
    """Notes how long its waiters wait at a time. `late` is called in the place of the first wait."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float | None] = []
        self.late: Callable[[], object] = lambda: None

    def result(self, timeout: float | None = None) -> int:
        self.waits.append(timeout)
        if len(self.waits) == 1:
            self.late()
            raise TimeoutError
        return super().result(0)


def test_a_result_of_another_thread_is_waited_for() -> None:
    future = Future[int]()
    setting = threading.Thread(target=future.set_result, args=(1,))
    setting.start()
    assert result_of(future) == 1
    setting.join()


def test_no_wait_is_long() -> None:
    future = Watched()
    with pytest.raises(TimeoutError):
        result_of(future, 0.0)
    assert future.waits == [0.0]
    future = Watched()
    future.late = lambda: threading.Timer(0, future.set_result, (2,)).start()
    assert result_of(future) == 2
    assert set(future.waits) <= {GLANCE, None}


def test_a_signal_that_comes_before_the_wait_and_does_not_end_it_interrupts() -> None:
    """As CPython does it with one that comes when it has looked for signals and does not wait yet."""

    class Deaf(Future[int]):
        def result(self, timeout: float | None = None) -> int:
            assert timeout is not None, "it would wait for ever"
            raise TimeoutError

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGVTALRM, interrupted)
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.01)
        with pytest.raises(KeyboardInterrupt):
            result_of(Deaf())
    finally:
        signal.signal(signal.SIGVTALRM, before)


def test_what_ends_in_the_last_moment_counts() -> None:
    future = Watched()
    future.late = lambda: future.set_result(3)
    assert result_of(future, 0.0) == 3


@pytest.mark.parametrize("error", [TimeoutError("its own"), ValueError("its own"), CancelledError()])
def test_its_errors_are_its_own(error: BaseException) -> None:
    future = Future[int]()
    future.set_exception(error)
    with pytest.raises(type(error)) as raised:
        result_of(future, 60)
    assert raised.value is error


def test_it_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_waiting, "GLANCE", 0.001)
    with pytest.raises(TimeoutError):
        result_of(Future[int](), 0.01)
