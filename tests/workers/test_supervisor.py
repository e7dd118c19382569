"""How soon a child that has ended is started again."""

import time
from unittest.mock import Mock

import pytest

from hubline.workers import supervisor as module
from hubline.workers.children import Child
from hubline.workers.supervisor import FIRST_PAUSE, LONGEST_PAUSE, STEADY, Supervisor


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The present time, which the test changes."""
    found = [time.monotonic()]
    monkeypatch.setattr(module, "time", Mock(monotonic=lambda: found[0]))
    return found


def pauses(now: list[float], lives: list[float | None]) -> list[float]:
    """The pauses after children that lived so long after they were ready; `None`: one was never ready."""
    supervisor = Supervisor(lambda parent: None, [lambda parent: None], drain_timeout=1)
    supervisor._announced = True
    place, found = supervisor._workers[0], list[float]()
    for life in lives:
        place.child = Child("a child", 0, 0, ready=life is not None, ready_at=now[0])
        now[0] += life or 0.0
        supervisor._missing(place, place.child, 1)
        found.append(round(place.due - now[0], 3))
        now[0] = place.due
    return found


def test_one_that_works_is_replaced_at_once_however_often_it_ends(now: list[float]) -> None:
    assert pauses(now, [STEADY] * 5) == [0.0] * 5


def test_one_that_ends_again_as_soon_as_it_is_ready_is_started_after_a_growing_pause(now: list[float]) -> None:
    found = pauses(now, [0.1] * 10)
    assert found[:4] == [0.0, FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert found[-1] == LONGEST_PAUSE
    assert pauses(now, [0.1, 0.1, STEADY, 0.1]) == [0.0, FIRST_PAUSE, 0.0, 0.0]


def test_one_that_is_never_ready_is_started_after_a_growing_pause_from_the_first_on(now: list[float]) -> None:
    assert pauses(now, [STEADY, None, None, 0.1]) == [0.0, FIRST_PAUSE, 2 * FIRST_PAUSE, 2 * FIRST_PAUSE]
