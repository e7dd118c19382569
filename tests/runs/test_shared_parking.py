"""Parked runs of several servers: a deploy hands them over, as it does with all runs that another server can call."""

import asyncio
from typing import Any

import pytest

from hubline.runs import Caller, Run, Runs
from tests.runs.fleet import Fleet, fleet, to_the_end, until_holds
from tests.runs.storages import Storage
from tests.valkey import LIMIT

LONG = 3_600.0
"""Seconds of a lease. A server that stops in order says so; on a busy machine a short one lapses before."""


async def asks(run: Run) -> None:
    await run.text(f"{run.attempt} ")
    agreed = await run.ask("Go on?", schema=bool, key="go", park=True)
    await run.text("yes" if agreed else "no")


async def parks(run: Run) -> None:
    await asks(run)


async def asks_twice(run: Run) -> None:
    for number in range(2):
        await run.ask("Go on?", schema=bool, key=f"go {number}", park=True)
    await run.text(f"call {run.attempt}")


async def lasting(run: Run) -> None:
    await asyncio.Event().wait()


def registered(servers: Fleet, function: Any, **settings: Any) -> None:
    for runs in servers.runs:
        runs.function(**settings)(function)


async def question(runs: Runs, run_id: str, nth: int = 1) -> str:
    """The id of the nth question, when it has been asked."""
    async with asyncio.timeout(LIMIT):
        async for item in runs.attach(run_id):
            nth -= item["kind"] == "ask"
            if nth == 0:
                return str(item["askId"])
    raise AssertionError("it ended")


async def until_parked(runs: Runs, run_id: str) -> None:
    """Return when its function has ended: an answer that comes before lets it go on at once."""
    record = runs._records[run_id]
    await until_holds(lambda: record.parked is not None and record.task is None)


@pytest.mark.rule("R16", "R25", "R30")
async def test_a_deploy_hands_a_parked_run_over_without_waiting_for_it(storage: Storage) -> None:
    async with fleet(storage, lease=LONG) as servers, asyncio.timeout(LIMIT):
        leaving = servers.add(drain=2 * LIMIT)
        registered(servers, asks, restartable=True, max_attempts=1)  # neither parking nor a deploy counts
        for runs in servers.runs:
            assert await runs.room_runs("none") == []  # so that it looks after the others
        run = await leaving.start(asks, starter="alice")
        await until_parked(leaving, run.id)
        await leaving.drain()
        owner = await owner_of(servers, run.id)
        ask_id = await question(owner, run.id, 2)
        await until_parked(owner, run.id)
        await owner.answer(run.id, ask_id, True)
        items = await to_the_end(owner, run.id)
        assert (items[-1]["kind"], items[-1]["state"]) == ("end", "completed")
        assert "".join(item["text"] for item in items if item["kind"] == "text") == "1 2 3 yes"
        assert await servers.ended(1)


async def owner_of(servers: Fleet, run_id: str) -> Runs:
    """The server that has taken a run over, when its function has been called there."""
    left = servers.runs[:2]
    await until_holds(lambda: any(run_id in runs._records for runs in left))
    return next(runs for runs in left if run_id in runs._records)


@pytest.mark.rule("R16", "R25")
async def test_a_parked_run_that_no_other_server_may_call_is_interrupted_as_after_a_kill(storage: Storage) -> None:
    async with fleet(storage, lease=LONG) as servers, asyncio.timeout(LIMIT):
        registered(servers, parks)
        run = await servers.runs[0].start(parks, starter="alice")
        await until_parked(servers.runs[0], run.id)
        await servers.runs[0].drain()
        assert await servers.ended(1)
        assert servers.ends == [(0, run.id, "interrupted", "1 ")]


@pytest.mark.rule("R10", "R25", "R30")
async def test_a_parked_run_that_is_handed_over_waits_for_its_turn_in_its_room(storage: Storage) -> None:
    async with fleet(storage, lease=LONG) as servers, asyncio.timeout(LIMIT):
        registered(servers, asks, restartable=True)
        first, second = servers.runs
        run = await first.start(asks, starter="alice", room="r", on_busy="queue")
        await until_parked(servers.runs[0], run.id)
        holder = await second.start(lasting, starter="bob", room="r", on_busy="queue")

        async def has_the_turn() -> bool:
            return (await second.info(holder.id)).state == "running"

        await until_holds(has_the_turn)
        await first.drain()
        await until_holds(lambda: run.id in second._records)
        assert (await second.info(run.id)).state == "queued"
        await second.stop(holder.id)
        await question(second, run.id, 2)
        await second.stop(run.id)


@pytest.mark.rule("R25", "R30")
async def test_calls_that_were_parked_do_not_count_as_attempts(storage: Storage) -> None:
    async with fleet(storage, count=1, lease=LONG) as servers, asyncio.timeout(LIMIT):
        registered(servers, asks_twice, restartable=True, max_attempts=2)
        (runs,) = servers.runs
        run = await runs.start(asks_twice, starter="alice")
        for nth in (1, 2):
            ask_id = await question(runs, run.id, nth)
            await until_parked(servers.runs[0], run.id)
            await runs.answer(run.id, ask_id, True)
        items = await to_the_end(runs, run.id)
        assert [item["text"] for item in items if item["kind"] == "text"] == ["call 3"]
        about = await servers.logs[0].about(run.id)
        assert about["attempt"] - about["handedOver"] == 1


async def reads_later(run: Run) -> None:
    if run.attempt == 1:
        await asyncio.Event().wait()
    for _ in range(2):
        message = await run.inbox.take()
        await run.text(f"{message.by}: {message.value} ")


@pytest.mark.rule("R16", "R28", "R30")
async def test_a_deploy_hands_over_messages_that_were_not_read(storage: Storage) -> None:
    async with fleet(storage, 1, lease=LONG) as servers, asyncio.timeout(LIMIT):
        leaving = servers.add()
        registered(servers, reads_later, restartable=True)
        (staying, *_) = servers.runs
        assert await staying.room_runs("none") == []  # so that it looks after the other
        run = await leaving.start(reads_later, starter="alice", inbox=True)
        sent = [await leaving.steer(run.id, word, caller=Caller("alice")) for word in ("one", "two")]
        await leaving.drain()
        items = await to_the_end(staying, run.id)
        assert "".join(item["text"] for item in items if item["kind"] == "text") == "alice: one alice: two "
        assert [item["steerId"] for item in items if item["kind"] == "steered"] == sent


@pytest.mark.rule("R13", "R16", "R30")
async def test_a_deploy_does_not_hand_over_what_somebody_has_stopped(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with fleet(storage, 1, lease=LONG) as servers, asyncio.timeout(LIMIT):
        leaving, called = servers.add(), list[int]()
        cleaning, done = asyncio.Event(), asyncio.Event()

        async def cleans_up(run: Run) -> None:
            called.append(run.attempt)
            try:
                await asyncio.Event().wait()
            finally:
                cleaning.set()
                await done.wait()

        cleans_up.__qualname__ = "cleans_up"
        registered(servers, cleans_up, restartable=True)
        (staying, *_) = servers.runs
        assert await staying.room_runs("none") == []  # so that it looks after the other
        run = await leaving.start(cleans_up)
        await until_holds(lambda: called == [1])
        stopping = asyncio.create_task(leaving.stop(run.id))
        await cleaning.wait()
        hand_over = leaving._telling.hand_over

        async def handed_over(records: Any) -> None:
            await hand_over(records)
            done.set()

        monkeypatch.setattr(leaving._telling, "hand_over", handed_over)
        await leaving.drain()
        assert (await stopping).state == "stopped"
        assert (await staying.info(run.id)).state == "stopped"
        assert called == [1]
