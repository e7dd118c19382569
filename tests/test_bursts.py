"""When a burst ends."""

import asyncio
from collections.abc import Callable
from typing import Any

from hubline._bursts import LONGEST, Bursts, bursts_of, let_others_within_a_burst


class PlayedLoop:
    """A loop whose turns and time a test plays."""

    def __init__(self) -> None:
        self.now = 0.0
        self._soon: list[Callable[[], Any]] = []

    def time(self) -> float:
        return self.now

    def call_soon(self, callback: Callable[[], Any]) -> None:
        self._soon.append(callback)

    def turn(self) -> int:
        """Run what was to be run; how much that was."""
        due, self._soon = self._soon, []
        for callback in due:
            callback()
        return len(due)


def test_a_burst_ends_with_the_turn_in_which_somebody_asked() -> None:
    loop = PlayedLoop()
    bursts = Bursts(loop)  # type: ignore[arg-type]
    assert [bursts.begin(), bursts.begin()] == [0, 0]
    assert loop.turn() == 1
    assert bursts.begin() == 1
    loop.turn()
    assert loop.turn() == 0, "nothing is counted while nobody asks"


def test_a_sender_that_only_lets_others_have_a_turn_goes_on_with_its_burst() -> None:
    loop = PlayedLoop()
    bursts = Bursts(loop)  # type: ignore[arg-type]
    for _ in range(3):
        assert bursts.begin() == 0
        bursts.prolong()
        loop.turn()
    loop.turn()
    assert bursts.begin() == 1


def test_what_goes_on_for_too_long_is_no_burst() -> None:
    loop = PlayedLoop()
    bursts = Bursts(loop)  # type: ignore[arg-type]
    bursts.begin()
    loop.now = LONGEST
    bursts.prolong()
    loop.turn()
    assert bursts.begin() == 1


async def test_each_loop_has_its_own() -> None:
    here = bursts_of(asyncio.get_running_loop())
    assert here is bursts_of(asyncio.get_running_loop())
    assert here is not bursts_of(PlayedLoop())  # type: ignore[arg-type]


async def test_letting_others_have_a_turn_prolongs() -> None:
    bursts, turns = bursts_of(asyncio.get_running_loop()), list[str]()
    number = bursts.begin()
    asyncio.get_running_loop().call_soon(turns.append, "somebody else's")
    await let_others_within_a_burst()
    assert turns == ["somebody else's"]
    assert bursts.begin() == number
