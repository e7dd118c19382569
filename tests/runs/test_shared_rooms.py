"""Rooms of several servers: one order for all of them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from hubline import HubError
from hubline.runs import Run, RunLimits
from tests.runs import answering
from tests.runs.fleet import (
    Words,
    fleet,
    say,
    until_in,
)
from tests.runs.storages import Storage


async def asking(run: Run) -> None:
    await run.ask("Go on?", key="go", park=True)


async def gathered(told: list[Any], items: AsyncIterator[dict[str, Any]]) -> list[Any]:
    """Gather what a viewer is told of a place and of the end."""
    async for item in items:
        if item["kind"] == "status":
            told.append(item.get("place"))
        elif item["kind"] == "end":
            told.append(item["state"])
    return told


async def statuses(items: AsyncIterator[dict[str, Any]]) -> list[Any]:
    """What a viewer is told of a place and of the end."""
    return await gathered([], items)


@pytest.mark.rule("R33", "R10")
async def test_a_queue_has_one_order_and_one_place_for_each_wherever_they_wait(storage: Storage) -> None:
    async with fleet(storage, 3, on_busy="queue") as servers:
        first, second, third = servers.runs
        words = [Words() for _ in range(4)]
        started = [
            await runs.start(say, each, room="r")
            for runs, each in zip((first, second, first, third), words, strict=True)
        ]
        told: list[list[Any]] = [[] for _ in started]
        viewers = [
            asyncio.create_task(gathered(places, third.attach(run.id)))
            for places, run in zip(told, started, strict=True)
        ]
        await servers.until(lambda: [places[:1] for places in told] == [[], [1], [2], [3]])
        await until_in(servers, started[0].id, "running")
        for queued in started[1:]:
            await until_in(servers, queued.id, "queued")
        for ended, (run, each, after) in enumerate(zip(started, words, [*started[1:], None], strict=True), 1):
            each.put_nowait(None)
            assert (await run.wait()).state == "completed"
            if after is not None:
                await until_in(servers, after.id, "running")
                waiting = [[place] for place in range(1, 4 - ended)]  # a place that is soon another may be passed over
                await servers.until(lambda now=waiting: [each[-1:] for each in told[-len(now) :] if now] == now)
        found = await asyncio.gather(*viewers)
        assert [each[-1] for each in found] == ["completed"] * 4
        assert [places[:-1] for places in found] == [[], [1], [2, 1], [3, 2, 1]]
        assert await servers.ended(4)


@pytest.mark.rule("R33", "R10")
async def test_who_is_stopped_while_waiting_never_begins_and_the_others_move_up(storage: Storage) -> None:
    async with fleet(storage, on_busy="queue") as servers:
        first, second = servers.runs
        begun: list[int] = []

        async def begins(run: Run, number: int, words: Words) -> None:
            begun.append(number)
            await words.get()

        words = Words()
        one = await first.start(begins, 1, words, room="r")
        two = await second.start(begins, 2, words, room="r")
        three = await second.start(begins, 3, words, room="r")
        places: list[Any] = []
        viewer = asyncio.create_task(gathered(places, first.attach(three.id)))
        assert (await first.stop(two.id)).state == "stopped"
        await servers.until(lambda: places[-1:] == [1])
        for run in (one, three):
            words.put_nowait(None)
            assert (await run.wait()).state == "completed"
        assert begun == [1, 3]
        await viewer
        assert places[-2:] == [1, "completed"]


@pytest.mark.rule("R33", "R10")
async def test_policies_hold_whichever_server_is_asked(storage: Storage) -> None:
    async with fleet(storage, limits=RunLimits(waiting=1)) as servers:
        first, second = servers.runs
        one = await first.start(say, Words(), room="r")
        with pytest.raises(HubError, match="The room is busy"):
            await second.start(say, Words(), room="r", on_busy="reject")
        beside = await second.start(say, Words(), room="r")
        await until_in(servers, beside.id, "running")
        waits = await second.start(say, Words(), room="r", on_busy="queue")
        with pytest.raises(HubError, match="1 runs wait in this room already"):
            await first.start(say, Words(), room="r", on_busy="queue")
        newest = await first.start(say, Words(), room="r", on_busy="latest")
        assert (await waits.wait()).state == "stopped"
        urgent = await second.start(say, Words(), room="r", on_busy="interrupt")
        for run in (one, beside, newest):
            assert (await run.wait()).state == "stopped"
        await until_in(servers, urgent.id, "running")
        elsewhere = await first.start(say, Words(), room="another", on_busy="reject")
        await until_in(servers, elsewhere.id, "running")


@pytest.mark.rule("R33", "R10")
async def test_of_many_that_race_one_has_the_room(storage: Storage) -> None:
    async with fleet(storage, 3) as servers:
        started = await asyncio.gather(
            *(runs.start(say, Words(), room="r", on_busy="reject") for runs in servers.runs for _ in range(4)),
            return_exceptions=True,
        )
        refused = [str(each) for each in started if isinstance(each, BaseException)]
        assert refused == ["The room is busy."] * 11


@pytest.mark.rule("R33", "R10")
async def test_in_a_queue_one_runs_at_a_time_and_all_do(storage: Storage) -> None:
    async with fleet(storage, 3, on_busy="queue") as servers:
        at_once, most = 0, 0

        async def counted(run: Run) -> None:
            nonlocal at_once, most
            at_once += 1
            most = max(most, at_once)
            await run.text("a")
            at_once -= 1

        started = await asyncio.gather(*(runs.start(counted, room="r") for runs in servers.runs for _ in range(5)))
        assert {(await run.wait()).state for run in started} == {"completed"}
        assert most == 1


@pytest.mark.rule("R25", "R33")
async def test_a_parked_run_holds_nobody_up_on_another_server_and_comes_back_in_front(storage: Storage) -> None:
    async with fleet(storage, on_busy="queue") as servers:
        first, second = servers.runs
        first.function(asking)
        parked = await first.start(asking, room="r")
        viewer = asyncio.create_task(statuses(second.attach(parked.id)))
        words = Words()
        beside = await second.start(say, words, room="r")
        await until_in(servers, beside.id, "running")
        behind = await second.start(say, words, room="r")
        await until_in(servers, behind.id, "queued")
        items = second.attach(parked.id)
        while (item := await anext(items))["kind"] != "ask":
            pass
        await items.aclose()
        await second.answer(parked.id, item["askId"], True)
        await until_in(servers, parked.id, "queued")

        async def moved() -> bool:
            state = await servers.logs[1].registry.room("r")
            return [run_id for run_id, _ in state] == [beside.id, parked.id, behind.id]

        await servers.until(moved)
        words.put_nowait(None)
        assert (await parked.wait()).state == "completed"
        words.put_nowait(None)
        assert (await behind.wait()).state == "completed"
        assert (await viewer)[-2:] == [1, "completed"]


@pytest.mark.rule("R33", "R16")
async def test_who_waits_on_a_server_that_stops_keeps_its_place_on_another(storage: Storage) -> None:
    async with fleet(storage, lease=3_600, on_busy="queue") as servers:
        first, second = servers.runs
        for runs in servers.runs:
            runs.function(restartable=True)(answering.quick)
            assert await runs.room_runs("none") == []
        words = Words()
        busy = await second.start(say, words, room="r")
        restartable = await first.start(answering.quick, room="r")
        lost = await first.start(say, Words(), room="r")
        last = await second.start(say, words, room="r")
        viewers = [asyncio.create_task(statuses(second.attach(run.id))) for run in (restartable, lost, last)]
        await first.drain()
        assert (await lost.wait()).state == "interrupted"
        words.put_nowait(None)
        assert (await busy.wait()).state == "completed"
        words.put_nowait(None)
        assert (await last.wait()).state == "completed"
        found = await asyncio.gather(*viewers)
        assert [each[-1] for each in found] == ["completed", "interrupted", "completed"]
        assert await servers.ended(4)
        assert sorted(number for number, *_ in servers.ends) == [0, 1, 1, 1]


@pytest.mark.rule("R10", "R33")
@pytest.mark.parametrize("policy", ["reject", "queue"])
async def test_a_run_whose_end_is_written_and_not_yet_told_keeps_no_room_busy(
    storage: Storage, policy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with fleet(storage, limits=RunLimits(waiting=0)) as servers:
        first, second = servers.runs
        told, describe = asyncio.Event(), servers.logs[0].describe

        async def late(about: dict[str, Any], **settings: Any) -> None:
            if about["ended"]:
                await told.wait()
            await describe(about, **settings)

        monkeypatch.setattr(servers.logs[0], "describe", late)
        words = Words()
        run = await first.start(say, words, room="r", on_busy="reject")
        with pytest.raises(HubError):
            await second.start(say, words, room="r", on_busy=policy)
        words.put_nowait(None)
        assert [item async for item in second.attach(run.id)][-1]["state"] == "completed"
        words.put_nowait(None)
        follower = await second.start(say, words, room="r", on_busy=policy)
        assert (await follower.wait()).state == "completed"
        told.set()
