"""A server of runs that is killed or frozen: another takes its runs over, exactly once."""

import asyncio
import signal
from contextlib import aclosing

import pytest

from hubline.runs import StopAfter
from hubline.testing import ManualClock
from tests.runs import answering
from tests.runs.fleet import text, to_the_end, until_holds, until_told
from tests.runs.storages import LONG, Storage
from tests.runs.watching import kill_and_count_on, watching, watching_one, worker
from tests.valkey import until

pytestmark = pytest.mark.parametrize("storage", LONG, indirect=True)


@pytest.fixture(autouse=True)
def _own_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue belongs to an event loop."""
    monkeypatch.setattr(answering, "GO", asyncio.Queue())


@pytest.mark.rule("R30")
async def test_exactly_one_server_ends_the_runs_of_one_that_was_killed(storage: Storage) -> None:
    async with watching_one(storage) as (servers, other, run_id):
        viewers = [asyncio.create_task(to_the_end(runs, run_id)) for runs in servers.runs]
        other.process.send_signal(signal.SIGKILL)
        for items in await asyncio.gather(*viewers):
            assert (text(items), items[-1]["state"]) == ("one ", "interrupted")
        infos = [await runs.info(run_id) for runs in servers.runs]
        assert [info.state for info in infos] == ["interrupted", "interrupted"]
        await until_told(servers.ends, 1)
        assert servers.ends == [("interrupted", "one ")]


@pytest.mark.rule("R30")
async def test_a_function_that_may_be_called_again_goes_on_with_what_was_written(storage: Storage) -> None:
    async with watching_one(storage, "counting") as (servers, other, run_id):
        await kill_and_count_on(servers, other, run_id)


@pytest.mark.rule("R30")
async def test_a_run_that_kills_its_server_kills_three_of_them(storage: Storage) -> None:
    async with worker(storage, "deadly") as first:
        (_, run_id), _ = await first.line(), await first.line()
        first.process.send_signal(signal.SIGKILL)
        for _ in range(2):
            async with worker(storage, "nothing") as following:
                await following.heard("written")
                following.process.send_signal(signal.SIGKILL)
        async with watching(storage) as servers:
            items = await to_the_end(servers.runs[0], run_id)
            assert (text(items), items[-1]["state"]) == ("attempt 1 attempt 2 attempt 3 ", "interrupted")
            await until_told(servers.ends, 1)
            assert servers.ends == [("interrupted", "attempt 1 attempt 2 attempt 3 ")]


@pytest.mark.rule("R30", "R33")
async def test_a_retry_joins_the_run_of_a_server_that_was_killed(storage: Storage) -> None:
    async with watching(storage) as servers, worker(storage, "counting", key="k", starter="alice") as other:
        run_id = await other.started()
        await other.heard("written")
        other.process.send_signal(signal.SIGKILL)
        joined = [await runs.start(answering.counting, key="k", starter="alice") for runs in servers.runs]
        for _ in range(2):
            answering.GO.put_nowait("go")
        infos = [await each.wait() for each in joined]
        assert [info.id for info in infos] == [run_id, run_id]
        assert (await servers.runs[0].start(answering.counting, key="k", starter="alice")).id == run_id
        await until_told(servers.ends, 1)
        assert servers.ends == [("completed", "0 1 2 ")]


@pytest.mark.rule("R30", "R33")
async def test_the_next_of_a_room_begins_when_the_server_of_the_running_one_was_killed(storage: Storage) -> None:
    async with watching(storage) as servers, worker(storage, "plain,plain", room="r", on_busy="queue") as other:
        running, waiting = await other.started(), await other.started()
        here = await servers.runs[0].start(answering.deadly, room="r", on_busy="queue")
        other.process.send_signal(signal.SIGKILL)
        for run_id in (running, waiting):  # the second one's function cannot be called here
            items = await to_the_end(servers.runs[1], run_id)
            assert items[-1]["state"] == "interrupted"

        async with aclosing(servers.runs[1].attach(here.id)) as viewed:
            async for item in viewed:
                if item.get("text") == "attempt 1 ":
                    break
        await here.stop()
        await until_told(servers.ends, 3)
        assert sorted(servers.ends) == [("interrupted", ""), ("interrupted", "one "), ("stopped", "attempt 1 ")]


@pytest.mark.rule("R30", "R33")
async def test_who_waits_keeps_its_place_when_its_server_was_killed(storage: Storage) -> None:
    async with watching(storage) as servers:
        first = await servers.runs[0].start(answering.deadly, room="r", on_busy="queue")
        async with worker(storage, "counting", room="r", on_busy="queue") as other:
            second = await other.started()
            third = await servers.runs[1].start(answering.deadly, room="r", on_busy="queue")
            other.process.send_signal(signal.SIGKILL)
            viewer = asyncio.create_task(to_the_end(servers.runs[1], second))
            await other.process.wait()
        await first.stop()
        for _ in range(3):
            answering.GO.put_nowait("go")
        items = await viewer
        assert (text(items), items[-1]["state"]) == ("0 1 2 ", "completed")

        async def begun() -> bool:
            return (await servers.runs[0].info(third.id)).state == "running"

        await until(begun)


@pytest.mark.rule("R14", "R33")
async def test_viewers_of_a_server_that_was_killed_count_no_longer(storage: Storage) -> None:
    clock = ManualClock()  # the run does not stop before its viewers have come: one is in a process that begins here
    async with watching(storage, clock) as servers:
        run = await servers.runs[0].start(answering.deadly, on_last_viewer=StopAfter(30))
        record = servers.runs[0]._records[run.id]
        async with worker(storage, "nothing") as other:
            items = servers.runs[1].attach(run.id)
            assert (await anext(items))["kind"] in ("live", "text")
            other.attach(run.id)
            await other.heard("attached")

            async def both() -> bool:
                return (await servers.runs[0].info(run.id)).viewers == 2

            await until(both)
            await items.aclose()
            other.process.send_signal(signal.SIGKILL)
            await until_holds(lambda: "viewers" in record.timers)
            await clock.advance(30)
            assert (await run.wait()).state == "stopped"


@pytest.mark.rule("R14", "R33")
async def test_viewers_of_a_server_that_was_frozen_count_again(storage: Storage) -> None:
    async with watching(storage) as servers:
        run = await servers.runs[0].start(answering.deadly)
        async with worker(storage, "nothing") as other:
            other.attach(run.id)
            await other.heard("attached")
            for count, news in ((0, signal.SIGSTOP), (1, signal.SIGCONT)):
                other.process.send_signal(news)

                async def counted(count: int = count) -> bool:
                    return (await servers.runs[0].info(run.id)).viewers == count

                await until(counted)


@pytest.mark.rule("R30")
async def test_a_call_that_kills_its_server_at_once_is_counted(storage: Storage) -> None:
    async with worker(storage, "sudden") as first:
        assert await first.process.wait() == -signal.SIGKILL
    for _ in range(2):
        async with worker(storage, "nothing") as following:
            assert await following.process.wait() == -signal.SIGKILL
    async with worker(storage, "nothing") as last:
        await last.heard("end", "interrupted")


@pytest.mark.rule("R31")
async def test_a_frozen_server_that_wakes_up_cannot_write(storage: Storage) -> None:
    async with watching_one(storage) as (servers, other, run_id):
        other.process.send_signal(signal.SIGSTOP)
        items = await to_the_end(servers.runs[0], run_id)
        assert items[-1]["state"] == "interrupted"
        other.go()
        other.process.send_signal(signal.SIGCONT)
        assert await other.line() == ["function", "ended"]  # it wrote nothing
        assert [item["kind"] for item in await to_the_end(servers.runs[1], run_id)] == ["text", "live", "end"]
        await until_told(servers.ends, 1)
        assert servers.ends == [("interrupted", "one ")]


@pytest.mark.rule("R31")
async def test_the_function_of_a_frozen_server_that_wakes_up_is_cancelled(storage: Storage) -> None:
    async with watching_one(storage) as (servers, other, run_id):
        other.process.send_signal(signal.SIGSTOP)
        await to_the_end(servers.runs[0], run_id)
        other.process.send_signal(signal.SIGCONT)
        assert await other.line() == ["function", "ended"]  # though it does not try to write


@pytest.mark.rule("R15", "R30")
async def test_whoever_takes_a_run_over_whose_end_was_written_tells_on_end_once(storage: Storage) -> None:
    async with watching(storage) as servers, worker(storage, "slow_to_end", room="r") as other:
        run_id = await other.started()
        await other.heard("end", "completed")

        async def known() -> bool:
            return (await servers.runs[0].info(run_id)).ended_at is not None

        await until(known)
        before = await servers.runs[0].info(run_id)
        other.process.send_signal(signal.SIGKILL)
        await until_told(servers.ends, 1)

        async def left_alone() -> bool:
            return await storage.unsettled() == 0

        await until(left_alone)
        assert servers.ends == [("completed", "ends slowly")]
        for runs in servers.runs:
            info = await runs.info(run_id)
            assert (info.state, info.ended_at) == ("completed", before.ended_at)
            assert [used["outputTokens"] for used in info.usage] == [2]


@pytest.mark.rule("R15", "R30")
async def test_of_an_end_that_was_told_nobody_is_told_again(storage: Storage) -> None:
    async with watching(storage) as servers, worker(storage, "quick,plain") as other:
        quick, plain = await other.started(), await other.started()

        async def settled() -> bool:
            return await storage.unsettled(quick) == 0

        await until(settled)
        assert 0 < await storage.life(quick) <= 300_001
        other.process.send_signal(signal.SIGKILL)
        assert (await to_the_end(servers.runs[0], plain))[-1]["state"] == "interrupted"
        await until_told(servers.ends, 1)
        assert [state for state, _ in servers.ends] == ["interrupted"]
