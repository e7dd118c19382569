"""What crosses on one server: starts with limits and a shutdown, answers with parking, attaching with lost rights."""

import asyncio
from typing import Any

import pytest

from hubline import HubError
from hubline.runs import Balance, Caller, MemoryBudget, Run, RunLimits, Runs
from hubline.testing import settle
from tests.runs.fleet import Gate, fleet, open_question, say, until_holds
from tests.runs.storages import Storage
from tests.runs.test_service import for_ever
from tests.valkey import LIMIT

ALICE = Caller("alice")


class Slow(MemoryBudget):
    """A budget whose storage takes its time."""

    def __init__(self) -> None:
        super().__init__(100)
        self.gate = Gate()

    async def reserve(self, account: str, tokens: int) -> int:
        await self.gate.passed()
        return await super().reserve(account, tokens)

    async def left(self) -> int:
        balance: Balance = await self.charge("alice", 0)
        return balance.left


@pytest.mark.rule("R11")
@pytest.mark.parametrize("limits", [RunLimits(per_server=1), RunLimits(per_starter=1)])
async def test_runs_that_are_being_made_count(limits: RunLimits) -> None:
    runs, budget = Runs(limits=limits), Slow()
    first = asyncio.create_task(runs.start(for_ever, starter="alice", budget=budget))
    await budget.gate.reached.wait()
    with pytest.raises(HubError, match=r"as many runs|runs at once"):
        await runs.start(for_ever, starter="alice")
    budget.gate.open.set()
    await (await first).stop()
    await (await runs.start(for_ever, starter="alice")).stop()
    await runs.drain()


@pytest.mark.rule("R11")
async def test_starts_that_wait_for_the_answer_about_a_room_count(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with fleet(storage, 1, limits=RunLimits(per_starter=1)) as servers, asyncio.timeout(LIMIT):
        (runs,), registry = servers.runs, servers.logs[0].registry
        gate, room = Gate(), registry.room

        async def gated(name: str) -> Any:
            await gate.passed()
            return await room(name)

        with monkeypatch.context() as patched:
            patched.setattr(registry, "room", gated)
            starts = [asyncio.create_task(runs.start(for_ever, room="r", on_busy="queue")) for _ in range(2)]
            await gate.reached.wait()
            gate.open.set()
            await asyncio.wait(starts)
        assert [start.exception() is None for start in starts] == [True, False]


@pytest.mark.rule("R16")
async def test_a_start_that_is_under_way_when_the_server_begins_to_stop_is_refused() -> None:
    runs, budget = Runs(drain=0), Slow()
    begun: list[str] = []

    async def begins(run: Run) -> None:
        begun.append(run.id)

    starting = asyncio.create_task(runs.start(begins, starter="alice", budget=budget, key="k"))
    await budget.gate.reached.wait()
    await runs.drain()
    budget.gate.open.set()
    with pytest.raises(HubError, match="restarting"):
        await starting
    await settle()
    assert (begun, runs.statistics()["runs"], await budget.left()) == ([], 0, 100)


@pytest.mark.rule("R26")
async def test_what_an_abandoned_function_reserves_is_given_back() -> None:
    runs, budget = Runs(limits=RunLimits(clean_up=0.0)), Slow()
    budget.gate.open.set()
    done, errors = asyncio.Event(), list[str]()

    async def stubborn(run: Run) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            while not run.ended:
                try:
                    await settle()
                except asyncio.CancelledError:
                    continue
            try:
                await run.reserve(50)
            except HubError as error:
                errors.append(str(error))
            done.set()

    run = await runs.start(stubborn, starter="alice", budget=budget)
    await settle()
    await run.stop()
    await done.wait()
    assert (await budget.left(), errors) == (100, ["The run has ended."])
    await runs.drain()


async def parks(run: Run, words: "asyncio.Queue[str | None]") -> None:
    await run.ask("Go on?", key="go", park=True)
    await say(run, words)


@pytest.mark.rule("R10", "R25", "R33")
async def test_an_answer_that_comes_while_a_parked_run_leaves_its_room_brings_it_back(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with fleet(storage, on_busy="queue") as servers, asyncio.timeout(LIMIT):
        (first, second), registry = servers.runs, servers.logs[0].registry
        first.function(parks)
        words: asyncio.Queue[str | None] = asyncio.Queue()
        gate, leave, left = Gate(), registry.leave, asyncio.Event()

        async def gated(name: str, run_id: str) -> None:
            await gate.passed()
            await leave(name, run_id)
            left.set()

        with monkeypatch.context() as patched:
            patched.setattr(registry, "leave", gated)
            run = await first.start(parks, words, room="r")
            ask_id = await open_question(first, run.id)
            await gate.reached.wait()
            await first.answer(run.id, ask_id, True)
            await settle()
            gate.open.set()
            await left.wait()
        await until_holds(lambda: first._records[run.id].state == "running")
        with pytest.raises(HubError, match="busy"):
            await second.start(for_ever, room="r", on_busy="reject")
        words.put_nowait(None)
        assert (await run.wait()).state == "completed"


@pytest.mark.rule("R23")
async def test_who_loses_the_right_while_it_attaches_sees_nothing() -> None:
    gate, friends = Gate(), {"alice"}

    async def allow(action: str, run: Any, caller: Caller) -> bool:
        known = caller.user_id in friends
        if action == "attach" and not gate.open.is_set():
            await gate.passed()
        return known

    runs = Runs(allow=allow)
    run = await runs.start(for_ever)
    attaching = asyncio.create_task(anext(runs.attach(run.id, caller=ALICE)))
    await gate.reached.wait()
    friends.clear()
    await runs.recheck("alice")
    gate.open.set()
    with pytest.raises(HubError, match="does not exist"):
        await attaching
    await run.stop()
    await runs.drain()
