import pytest

from hubline._tasks import TaskOwner
from hubline.runs.timers import Timers
from hubline.testing import ManualClock


async def test_what_is_due_is_called_in_order_and_once(caplog: pytest.LogCaptureFixture) -> None:
    clock, tasks = ManualClock(), TaskOwner("test")
    timers = Timers(clock, tasks)
    called: list[tuple[str, float]] = []

    def note(name: str) -> None:
        called.append((name, clock.now()))
        if name == "first":
            timers.after(0.5, lambda: note("nested"))
            raise RuntimeError("its own affair")

    late = timers.after(10, lambda: note("late"))
    timers.after(2, lambda: note("second"))
    timers.after(1, lambda: note("first"))
    timers.after(1.7, lambda: note("cancelled")).cancel()
    await clock.advance(5)
    assert called == [("first", 1), ("nested", 1.5), ("second", 2)]
    late.cancel()
    await clock.advance(10)
    assert (called[3:], len(timers), len(tasks)) == ([], 0, 0)
    assert "a timer failed" in caplog.text
    timers.after(1, lambda: note("again"))
    await clock.advance(1)
    assert called[3][0] == "again"
