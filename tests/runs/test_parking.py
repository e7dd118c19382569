"""Parked runs and the order of their rooms: who waits for a person holds nobody up."""

from typing import Any

import pytest

from hubline import HubError
from hubline.runs import AskExpired, Run
from hubline.runs.info import OnBusy
from hubline.testing import settle
from tests.runs.test_service import for_ever
from tests.runs.viewer import Reader, clocked


async def asks(run: Run) -> None:
    if run.attempt == 1:
        await run.text("before ")
    try:
        agreed = await run.ask("Go on?", schema=bool, expires=60, key="go", park=True)
    except AskExpired:
        await run.text("expired")
        return
    await run.text("yes" if agreed else "no")


class Room:
    """A room whose first run waits for a person, and others behind it."""

    def __init__(self, policy: OnBusy = "queue", **options: Any) -> None:
        self.runs, self.clock = clocked(**options)
        self.runs.function(asks)
        self._policy = policy

    async def start(self, function: Any) -> str:
        return (await self.runs.start(function, room="r", on_busy=self._policy)).id

    async def states(self, *run_ids: str) -> list[str]:
        await settle()
        return [(await self.runs.info(run_id)).state for run_id in run_ids]


def places(reader: Reader) -> list[int]:
    return [item["place"] for item in reader.page.items if item.get("status") == "queued"]


@pytest.mark.rule("R10", "R25")
async def test_a_parked_run_leaves_the_queue_and_comes_back_in_front_of_it() -> None:
    room = Room()
    parked, second, third = await room.start(asks), await room.start(for_ever), await room.start(for_ever)
    readers = [Reader(room.runs.attach(run_id)) for run_id in (parked, second, third)]
    assert await room.states(parked, second, third) == ["waiting", "running", "queued"]
    assert [places(reader) for reader in readers] == [[], [1], [2, 1]]
    await room.runs.answer(parked, readers[0].page.find("ask")["askId"], True)
    assert await room.states(parked, second, third) == ["queued", "running", "queued"]
    assert [places(reader) for reader in readers] == [[1], [1], [2, 1, 2]]
    assert readers[0].page.text == "before "
    await room.runs.stop(second)
    assert await room.states(parked, second, third) == ["completed", "stopped", "running"]
    assert readers[0].page.text == "before yes"
    await room.runs.stop(third)
    assert room.runs.statistics()["rooms"] == 0


@pytest.mark.rule("R10", "R25")
async def test_the_answer_finds_a_free_room() -> None:
    room = Room()
    parked = await room.start(asks)
    reader = Reader(room.runs.attach(parked))
    assert await room.states(parked) == ["waiting"]
    assert room.runs.statistics()["rooms"] == 0
    await room.runs.answer(parked, reader.page.find("ask")["askId"], False)
    assert await room.states(parked) == ["completed"]
    assert reader.page.text == "before no"
    assert room.runs.statistics()["rooms"] == 0


@pytest.mark.rule("R10", "R25")
async def test_a_question_that_expires_waits_for_its_turn_too() -> None:
    room = Room()
    parked, other = await room.start(asks), await room.start(for_ever)
    await settle()
    await room.clock.advance(61)
    assert await room.states(parked, other) == ["queued", "running"]
    reader = Reader(room.runs.attach(parked))
    await room.runs.stop(other)
    await reader.task
    assert reader.page.text == "before expired"


@pytest.mark.rule("R10", "R25")
async def test_a_room_with_a_parked_run_is_not_busy() -> None:
    room = Room("reject")
    parked = await room.start(asks)
    assert await room.states(parked) == ["waiting"]
    other = await room.start(for_ever)
    with pytest.raises(HubError, match="busy"):
        await room.start(for_ever)
    assert await room.states(parked, other) == ["waiting", "running"]
    await room.runs.stop(other)
    await room.runs.stop(parked)


@pytest.mark.rule("R10", "R25")
async def test_where_runs_go_side_by_side_nobody_waits() -> None:
    room = Room("concurrent")
    parked, other = await room.start(asks), await room.start(for_ever)
    reader = Reader(room.runs.attach(parked))
    assert await room.states(parked, other) == ["waiting", "running"]
    await room.runs.answer(parked, reader.page.find("ask")["askId"], True)
    assert await room.states(parked, other) == ["completed", "running"]
    await room.runs.stop(other)
    assert room.runs.statistics()["rooms"] == 0


@pytest.mark.rule("R10", "R13", "R16")
@pytest.mark.parametrize("how", ["stopped", "interrupted"])
async def test_who_waits_for_a_turn_after_the_answer_can_be_stopped(how: str) -> None:
    room = Room()
    parked, other = await room.start(asks), await room.start(for_ever)
    reader = Reader(room.runs.attach(parked))
    await settle()
    await room.runs.answer(parked, reader.page.find("ask")["askId"], True)
    assert await room.states(parked) == ["queued"]
    if how == "stopped":
        assert (await room.runs.stop(parked)).state == "stopped"
        await room.runs.stop(other)
    else:
        await room.runs.drain()
    await reader.task
    assert reader.page.end is not None
    assert (reader.page.end["state"], reader.page.text) == (how, "before ")
    assert room.runs.statistics()["rooms"] == 0
