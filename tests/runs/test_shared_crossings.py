"""What crosses on several servers: cancellations, takeovers, and news that are lost."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from hubline.errors import BackplaneError
from hubline.runs import Run, RunLimits
from tests.runs.fleet import (
    Gate,
    Words,
    asks,
    fleet,
    open_question,
    restarted,
    say,
    take_over,
    text,
    to_the_end,
    until_holds,
    until_in,
)
from tests.runs.storages import Storage
from tests.valkey import LIMIT


@contextmanager
def held(log: Any, kind: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """Entries of this kind reach the storage when the gate is opened."""
    gate, append = Gate(), log.append

    async def gated(run_id: str, bodies: Any, *, fence: int = 1) -> None:
        if any(body["kind"] == kind for body in bodies):
            await gate.passed()
        await append(run_id, bodies, fence=fence)

    with monkeypatch.context() as patched:
        patched.setattr(log, "append", gated)
        yield gate


async def cancelled(task: "asyncio.Task[Any]") -> None:
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


async def parks(run: Run) -> None:
    await run.text("yes" if await run.ask("Go on?", schema=bool, key="go", park=True) else "no")


async def lasting(run: Run) -> None:
    await asyncio.Event().wait()


@pytest.mark.rule("R25")
@pytest.mark.parametrize("function", [asks, parks])
async def test_an_answer_counts_although_who_gave_it_is_cancelled_while_it_is_written(
    storage: Storage, function: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with fleet(storage, 1) as servers, asyncio.timeout(LIMIT):
        (runs,), (log,) = servers.runs, servers.logs
        runs.function(function)
        run = await runs.start(function)
        ask_id = await open_question(runs, run.id)
        if function is parks:
            record = runs._records[run.id]
            await until_holds(lambda: record.parked is not None and record.task is None)
        with held(log, "answered", monkeypatch) as gate:
            answering = asyncio.create_task(runs.answer(run.id, ask_id, True))
            await gate.reached.wait()
            await cancelled(answering)
            gate.open.set()
            items = await to_the_end(runs, run.id)
        assert (text(items), items[-1]["state"]) == ("yes", "completed")
        assert [item["kind"] for item in items].count("answered") == 1


@pytest.mark.rule("R25")
async def test_a_question_whose_function_gives_up_while_it_is_written_does_not_stay_open(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with fleet(storage, 1) as servers, asyncio.timeout(LIMIT):
        (runs,), (log,) = servers.runs, servers.logs
        asking: list[asyncio.Task[Any]] = []
        words: Words = asyncio.Queue()

        async def gives_up(run: Run) -> None:
            asking.append(asyncio.create_task(run.ask("Go on?")))
            await asyncio.wait(asking)
            await say(run, words)

        with held(log, "ask", monkeypatch) as gate:
            run = await runs.start(gives_up)
            await gate.reached.wait()
            await cancelled(asking[0])
            gate.open.set()
            record = runs._records[run.id]
            await until_holds(lambda: record.tape.end == 2)
        assert not record.waits_for_person
        words.put_nowait(None)
        items = await to_the_end(runs, run.id)
        assert [item.get("expired") for item in items if item["kind"] == "answered"] == [True]


@pytest.mark.rule("R28")
async def test_a_message_that_is_being_taken_up_by_who_is_cancelled_is_taken_up_by_the_next(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with fleet(storage, 1) as servers, asyncio.timeout(LIMIT):
        (runs,), (log,) = servers.runs, servers.logs
        taking: list[asyncio.Task[Any]] = []

        async def steered(run: Run) -> None:
            taking.append(asyncio.create_task(run.inbox.take()))
            await asyncio.wait(taking)
            for _ in range(2):
                await run.text(f"{(await run.inbox.take()).value} ")

        run = await runs.start(steered, inbox=True)
        with held(log, "steered", monkeypatch) as gate:
            sent = [await runs.steer(run.id, "one"), await runs.steer(run.id, "two")]
            await gate.reached.wait()
            await cancelled(taking[0])
            gate.open.set()
            items = await to_the_end(runs, run.id)
        assert text(items) == "one two "
        assert [item["steerId"] for item in items if item["kind"] == "steered"] == sent
        assert items[-1]["unread"] == []


@pytest.mark.rule("R31")
async def test_who_waits_for_a_run_that_another_server_has_taken_over_hears_its_end(storage: Storage) -> None:
    async with fleet(storage) as servers, asyncio.timeout(LIMIT):
        first, second = servers.runs
        words: Words = asyncio.Queue()
        run = await first.start(say, words)
        waiting = asyncio.create_task(run.wait())
        await take_over(servers, run.id)
        words.put_nowait("late")
        assert (await waiting).state == "interrupted"
        assert (await second.info(run.id)).state == "interrupted"


@pytest.mark.rule("R13", "R31")
async def test_a_stop_at_a_server_that_has_lost_the_run_stops_it_where_it_is_now(storage: Storage) -> None:
    async with fleet(storage) as servers, asyncio.timeout(LIMIT):
        first, second = servers.runs
        servers.restartable(restarted)
        ways = []
        for way in range(2):
            run = await first.start(restarted)
            await until_in(servers, run.id, "running")
            await take_over(servers, run.id)
            await until_holds(lambda run=run: second._records[run.id].attempt == 2)
            ways.append((await (run.stop() if way else first.stop(run.id))).state)
            assert (await second.info(run.id)).state == "stopped"
        assert ways == ["stopped", "stopped"]


@pytest.mark.rule("R11", "R30")
async def test_the_time_of_a_run_is_limited_where_it_is_called_again_too(storage: Storage) -> None:
    async with fleet(storage, limits=RunLimits(length=LIMIT)) as servers, asyncio.timeout(LIMIT):
        first, second = servers.runs
        servers.restartable(restarted)
        run = await first.start(restarted)
        await until_in(servers, run.id, "running")
        await take_over(servers, run.id)
        assert (second._records[run.id].attempt, "length" in second._records[run.id].timers) == (2, True)


@pytest.mark.rule("R33", "R10")
async def test_who_waits_for_its_turn_begins_although_the_news_of_it_were_lost(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with fleet(storage, on_busy="queue") as servers, asyncio.timeout(LIMIT):
        first, second = servers.runs
        ahead, last = await first.start(say, Words(), room="r"), await second.start(say, Words(), room="r")
        await until_in(servers, last.id, "queued")
        with monkeypatch.context() as patched:
            lost: list[Any] = []
            patched.setattr(servers.logs[1]._calls, "received", lost.append)
            await ahead.stop()
            await until_holds(lambda: {"room": "r"} in lost)
        assert dict(await servers.logs[0].registry.room("r")) == {last.id: "active"}
        await servers.logs[1]._renew()
        await until_in(servers, last.id, "running")


@pytest.mark.rule("R24", "R29")
async def test_who_watches_is_told_of_changes_whose_news_were_lost(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with fleet(storage) as servers, asyncio.timeout(LIMIT):
        (first, second), log = servers.runs, servers.logs[1]
        run = await first.start(say, Words(), room="r")
        await until_in(servers, run.id, "running")
        watched: Any = second.watch("r")
        assert [info["state"] for info in (await anext(watched))["runs"]] == ["running"]
        with monkeypatch.context() as patched:
            lost: list[str] = []
            patched.setattr(log._news, "received", lambda channel, payload: lost.append(payload.decode()))
            await run.stop()
            await until_holds(lambda: any(json.loads(each)["endedAt"] for each in lost if each.startswith("{")))
        interrupt(log)
        async for item in watched:  # what was missed may be told more than once
            if item["info"]["state"] == "stopped":
                break
        assert item["info"]["id"] == run.id
        await watched.aclose()


def interrupt(log: Any) -> None:
    """The connection on which it hears is there again."""
    log.interrupted() if hasattr(log, "_topics") else log.interrupted(None, None)


@pytest.mark.rule("R9", "R10", "R11", "R33")
async def test_a_run_whose_server_died_while_it_was_made_holds_neither_its_key_nor_its_starter(
    storage: Storage,
) -> None:
    async with fleet(storage, lease=0.05) as servers, asyncio.timeout(LIMIT):
        first, second = servers.logs
        await first.create("made in vain")
        assert (await first.registry.take_key("user a", "k", "made in vain", "request")).run_id == "made in vain"
        assert await first.registry.admit("user a", "made in vain", 1)
        await take_over(servers, "made in vain")

        async def is_free() -> bool:
            await second._renew()
            return bool((await second.registry.take_key("user a", "k", "next", "request")).run_id == "next")

        async def may_start() -> bool:
            return bool(await second.registry.admit("user a", "next", 1))

        await until_holds(is_free)
        await until_holds(may_start)


@pytest.mark.rule("R9", "R10", "R33")
async def test_a_start_that_fails_with_the_storage_leaves_nothing_when_that_is_back(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with fleet(storage, lease=1.0, on_busy="queue") as servers, asyncio.timeout(LIMIT):
        (first, second), log = servers.runs, servers.logs[0]
        with monkeypatch.context() as patched:
            enter = log.registry.enter

            async def away(*arguments: Any, **more: Any) -> Any:
                raise BackplaneError("away")

            async def unanswered(*arguments: Any) -> Any:
                await enter(*arguments)
                raise BackplaneError("away")

            patched.setattr(log.registry, "enter", unanswered)
            for name in ("leave", "dismiss", "free_key"):
                patched.setattr(log.registry, name, away)
            patched.setattr(log, "_remove", away)
            with pytest.raises(BackplaneError):
                await first.start(lasting, room="r", key="k", starter="alice")
        again = await second.start(lasting, room="r", key="k", starter="alice")

        async def begun() -> bool:
            return (await second.info(again.id)).state == "running"

        await until_holds(begun)
        assert [info.id for info in await second.room_runs("r")] == [again.id]
