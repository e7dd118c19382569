"""The garbage collector of a process that serves."""

import gc
from collections.abc import Iterator

import pytest

from hubline.servers.garbage import YOUNG, collect_rarely


@pytest.fixture(autouse=True)
def threshold() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


def test_the_young_are_looked_at_less_often_and_the_old_as_ever() -> None:
    gc.set_threshold(700, 11, 12)
    collect_rarely()
    assert gc.get_threshold() == (YOUNG, 11, 12)


@pytest.mark.parametrize("chosen", [(0, 10, 10), (YOUNG + 1, 10, 10)])
def test_what_somebody_has_chosen_stays(chosen: tuple[int, int, int]) -> None:
    gc.set_threshold(*chosen)
    collect_rarely()
    assert gc.get_threshold() == chosen
