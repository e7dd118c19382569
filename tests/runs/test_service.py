"""Starting, stopping and ending runs, from outside a hub, with a clock that is moved by hand."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any
from unittest.mock import ANY

import pytest

from hubline import HubError
from hubline.runs import Caller, FinishedRun, MemoryBudget, Run, RunLimits, StopAfter
from hubline.testing import settle
from tests.runs.viewer import Reader, clocked, collect, parts_of_runs


async def hello(run: Run, name: str = "you") -> None:
    await run.text("hello ")
    await run.text(name)


async def for_ever(run: Run) -> None:
    await run.text("a")
    await asyncio.Event().wait()


@pytest.mark.rule("R8")
async def test_a_start_returns_at_once_and_the_function_outlives_the_caller() -> None:
    runs, _ = clocked()
    began: list[str] = []

    async def function(run: Run) -> None:
        began.append(run.id)
        await run.text("done")

    async def caller() -> str:
        run = await runs.start(function)
        assert began == []
        return run.id

    run_id = await asyncio.create_task(caller())
    page = await collect(runs.attach(run_id))
    assert (page.text, page.end and page.end["state"], began) == ("done", "completed", [run_id])
    assert len(run_id) == 22


@pytest.mark.rule("R8")
async def test_a_caller_that_is_cancelled_or_fails_takes_nothing_with_it() -> None:
    runs, _ = clocked()
    begun, go_on = asyncio.Event(), asyncio.Event()
    found: list[str] = []

    async def function(run: Run) -> None:
        begun.set()
        await go_on.wait()
        await run.text("done")

    async def caller(error: Exception | None) -> None:
        found.append((await runs.start(function)).id)
        await begun.wait()
        if error is not None:
            raise error
        await asyncio.Event().wait()

    for error in (None, ValueError("gone")):
        begun.clear()
        task = asyncio.create_task(caller(error))
        await begun.wait()
        task.cancel()
        await asyncio.wait([task])
    go_on.set()
    for run_id in found:
        page = await collect(runs.attach(run_id))
        assert (page.text, page.end and page.end["state"]) == ("done", "completed")


@pytest.mark.rule("R9")
async def test_the_same_key_is_the_same_run_also_when_two_calls_race() -> None:
    runs, _ = clocked()
    calls: list[str] = []

    async def function(run: Run, question: str) -> None:
        calls.append(question)

    starts = [runs.start(function, "why", key="k", starter="ada") for _ in range(5)]
    started = await asyncio.gather(*starts)
    await started[0].wait()
    assert len({run.id for run in started}) == 1
    assert calls == ["why"]
    bob = await runs.start(function, "why", key="k", starter="bob")
    assert bob.id != started[0].id


@pytest.mark.rule("R9")
async def test_a_key_stands_for_one_request() -> None:
    runs, _ = clocked()
    await runs.start(hello, "x", key="k", starter="ada", room="r")

    async def other(run: Run, name: str) -> None: ...

    for function, argument, room in ((hello, "y", "r"), (hello, "x", "s"), (other, "x", "r")):
        with pytest.raises(HubError, match=r"^The key was used for another request\.$"):
            await runs.start(function, argument, key="k", starter="ada", room=room)
    assert runs.statistics()["runs"] == 1


@pytest.mark.rule("R9")
async def test_a_key_outlives_its_run_and_is_then_forgotten() -> None:
    runs, clock = clocked(keep=10, keep_keys=100)
    first = await runs.start(hello, key="k", starter="ada")
    await first.wait()
    await clock.advance(50)
    again = await runs.start(hello, key="k", starter="ada")
    assert again.id == first.id
    with pytest.raises(HubError, match="does not exist"):
        await again.wait()
    await clock.advance(51)
    assert (await runs.start(hello, key="k", starter="ada")).id != first.id


@pytest.mark.rule("R10")
async def test_a_queue_keeps_its_order_and_tells_places() -> None:
    runs, _ = clocked()
    started = [await runs.start(for_ever, room="r", on_busy="queue") for _ in range(4)]
    readers = [Reader(runs.attach(run.id)) for run in started]
    await settle()

    def places(number: int) -> list[int]:
        return [item["place"] for item in readers[number].page.items if item.get("status") == "queued"]

    assert [places(number) for number in range(4)] == [[], [1], [2], [3]]
    await started[0].stop()
    await settle()
    assert [places(number) for number in range(4)] == [[], [1], [2, 1], [3, 2]]
    assert [(await runs.info(run.id)).state for run in started] == ["stopped", "running", "queued", "queued"]
    await started[3].stop()
    assert readers[3].page.text == ""  # it never began
    await runs.drain()


@pytest.mark.rule("R10")
async def test_policies_of_rooms() -> None:
    runs, _ = clocked()
    first = await runs.start(for_ever, room="l", on_busy="latest")
    second = await runs.start(for_ever, room="l", on_busy="latest")
    third = await runs.start(for_ever, room="l", on_busy="latest")
    assert (await second.wait()).state == "stopped"
    assert [(await runs.info(run.id)).state for run in (first, third)] == ["running", "queued"]
    with pytest.raises(HubError, match="busy"):
        await runs.start(for_ever, room="l", on_busy="reject")
    fourth = await runs.start(for_ever, room="l", on_busy="interrupt")
    assert [(await run.wait()).state for run in (first, third)] == ["stopped", "stopped"]
    await settle()
    assert (await runs.info(fourth.id)).state == "running"
    fifth = await runs.start(for_ever, room="l")
    assert (await runs.info(fifth.id)).state == "running"
    await fourth.stop()
    await fifth.stop()
    assert runs.statistics()["rooms"] == 0


@pytest.mark.rule("R9", "R10")
async def test_a_policy_that_is_none_is_told_at_once_and_gives_the_key_back() -> None:
    runs, _ = clocked()
    for key in (None, "k", "k"):
        with pytest.raises(ValueError, match="on_busy is 'Queue', but must be one of concurrent, queue"):
            await runs.start(hello, key=key, room="r", on_busy="Queue")  # type: ignore[arg-type]
    assert (await (await runs.start(hello, key="k", room="r")).wait()).state == "completed"


@pytest.mark.rule("R10")
async def test_only_so_many_may_wait() -> None:
    runs, _ = clocked(limits=RunLimits(waiting=2))
    for _ in range(3):
        await runs.start(for_ever, room="r", on_busy="queue")
    with pytest.raises(HubError, match="2 runs wait in this room already"):
        await runs.start(for_ever, room="r", on_busy="queue")
    await runs.drain()


@pytest.mark.rule("R11")
async def test_limits_of_starts() -> None:
    runs, _ = clocked(limits=RunLimits(per_starter=2, per_server=3))
    ada = [await runs.start(for_ever, starter="ada") for _ in range(2)]
    with pytest.raises(HubError, match="2 runs at once"):
        await runs.start(for_ever, starter="ada")
    await runs.start(for_ever, starter="bob")
    with pytest.raises(HubError, match="as many runs as it can take"):
        await runs.start(for_ever, starter="eve")
    await ada[0].stop()
    await runs.start(for_ever, starter="ada")
    await runs.drain()


@pytest.mark.rule("R11")
async def test_text_beyond_its_limit_ends_the_run_with_what_fits() -> None:
    runs, _ = clocked(limits=RunLimits(text=10))

    async def function(run: Run) -> None:
        await run.text("12345\u00e4")
        await run.text("123456")
        await run.text("never")

    page = await collect(runs.attach((await runs.start(function)).id))
    assert page.text == "12345\u00e4123"
    assert page.end is not None
    assert (page.end["state"], page.end["error"]) == ("limited", "The answer has more than 10 bytes.")


@pytest.mark.rule("R11")
async def test_one_entry_is_bounded() -> None:
    runs, _ = clocked()

    async def long_text(run: Run) -> None:
        await run.text("\u00e4" * 100_000)

    async def large_value(run: Run) -> None:
        await run.text("before")
        await run.data("source", "x" * 70_000)

    page = await collect(runs.attach((await runs.start(long_text)).id, merge=0))
    assert page.text == "\u00e4" * 100_000
    assert all(len(item["text"].encode()) <= 65_536 for item in page.items if item["kind"] == "text")
    page = await collect(runs.attach((await runs.start(large_value)).id))
    assert page.end is not None
    assert (page.text, page.end["state"], page.end["error"]) == ("before", "failed", "A value may have 64 KiB.")


@pytest.mark.rule("R11")
async def test_a_silent_function_fails_and_waiting_for_a_person_is_no_silence() -> None:
    runs, clock = clocked(limits=RunLimits(silence=300))

    async def asks(run: Run) -> None:
        await run.ask("Go on?")
        await asyncio.Event().wait()

    async def slow(run: Run) -> None:
        for _ in range(3):
            await clock.sleep(250)
            await run.text("x")

    silent, asking, queued = (
        await runs.start(for_ever, room="r"),
        await runs.start(asks),
        await runs.start(slow, room="r", on_busy="queue"),
    )
    await clock.advance(301)
    end = (await collect(runs.attach(silent.id))).end
    assert end is not None
    assert (end["state"], end["error"]) == ("failed", "The run was silent for more than 300 s.")
    await clock.advance(10_000)
    assert (await runs.info(asking.id)).state == "waiting"
    assert (await queued.wait()).state == "completed"
    await runs.answer(asking.id, next(iter(runs._records[asking.id].tape.asks)), True)
    await clock.advance(601)
    assert (await asking.wait()).state == "failed"


@pytest.mark.rule("R11")
async def test_a_run_may_take_so_long() -> None:
    runs, clock = clocked(limits=RunLimits(length=60))
    run = await runs.start(for_ever)
    await clock.advance(61)
    end = (await collect(runs.attach(run.id))).end
    assert end is not None
    assert (end["state"], end["error"]) == ("limited", "The run took more than 60 s.")


@pytest.mark.rule("R12")
async def test_plain_generators_and_async_ones_yield_text_and_items() -> None:
    runs, _ = clocked()

    def blocking(run: Run) -> Iterator[Any]:
        yield "a"
        yield {"kind": "reasoning", "text": "b"}
        yield {"kind": "data", "name": "n", "value": 1, "part": "p"}
        yield {"kind": "status", "status": "s", "more": 2}

    async def asynchronous(run: Run) -> AsyncIterator[Any]:
        for item in blocking(run):
            yield item

    async def wrong(run: Run) -> AsyncIterator[Any]:
        yield {"kind": "mystery"}

    for function in (blocking, asynchronous):
        page = await collect(runs.attach((await runs.start(function)).id))
        assert [part.get("text", part.get("value")) for part in page.parts.values()] == ["a", "b", 1]
        assert page.find("status") == {"kind": "status", "status": "s", "more": 2, "position": ANY}
    info = await (await runs.start(wrong)).wait()
    assert info.state == "failed"


@pytest.mark.rule("R12")
async def test_a_plain_generator_blocks_a_thread_and_not_the_server() -> None:
    runs, _ = clocked(merge=0)
    asked, answered = threading.Event(), threading.Event()
    threads: set[int] = set()

    def blocking(run: Run) -> Iterator[str]:
        threads.add(threading.get_ident())
        yield "before "
        asked.set()
        assert answered.wait(20)
        threads.add(threading.get_ident())
        yield "after"

    reader = Reader(runs.attach((await runs.start(blocking)).id))
    assert await asyncio.to_thread(asked.wait, 20)
    await settle()
    assert reader.page.text == "before "
    answered.set()
    await reader.task
    assert reader.page.text == "before after"
    assert threading.get_ident() not in threads


@pytest.mark.rule("R13")
async def test_stopping_cancels_the_function_which_may_write_a_last_entry() -> None:
    runs, _ = clocked()

    async def function(run: Run) -> None:
        await run.text("a")
        try:
            await asyncio.Event().wait()
        finally:
            await run.text(" and last words")

    run = await runs.start(function)
    reader = Reader(runs.attach(run.id))
    await settle()
    first, second = await asyncio.gather(runs.stop(run.id), runs.stop(run.id))
    assert first == second
    assert first.state == "stopped"
    await reader.task
    assert reader.page.text == "a and last words"
    assert reader.page.end is not None
    assert (reader.page.end["state"], reader.page.end["error"]) == ("stopped", None)
    assert await runs.stop(run.id) == first


@pytest.mark.rule("R13")
async def test_a_function_that_swallows_its_cancellation_is_abandoned(caplog: pytest.LogCaptureFixture) -> None:
    runs, clock = clocked()
    free = asyncio.Event()
    refused: list[str] = []

    async def stubborn(run: Run) -> None:
        await run.text("a")
        while not free.is_set():
            try:
                await free.wait()
            except asyncio.CancelledError:
                continue
        try:
            await run.text("too late")
        except HubError as error:
            refused.append(str(error))

    run = await runs.start(stubborn)
    await settle()
    stopping = asyncio.create_task(runs.stop(run.id))
    await clock.advance(4)
    assert not stopping.done()
    await clock.advance(2)
    assert (await stopping).state == "stopped"
    assert "did not end within 5 s and is abandoned" in caplog.text
    free.set()
    await settle()
    assert refused == ["The run has ended."]
    assert (await collect(runs.attach(run.id))).text == "a"


@pytest.mark.rule("R14")
async def test_a_run_that_nobody_watches_may_be_stopped_after_a_while() -> None:
    runs, clock = clocked(on_last_viewer=StopAfter(30))
    never, left = await runs.start(for_ever), await runs.start(for_ever)
    reader = Reader(runs.attach(left.id))
    await clock.advance(31)
    assert [(await runs.info(run.id)).state for run in (never, left)] == ["stopped", "running"]
    await reader.leave()
    await clock.advance(20)
    reader = Reader(runs.attach(left.id))
    await clock.advance(100)
    assert (await runs.info(left.id)).state == "running"
    await reader.leave()
    await clock.advance(31)
    assert (await runs.info(left.id)).state == "stopped"
    stays = await runs.start(for_ever, on_last_viewer="continue")
    await clock.advance(100)
    assert (await runs.info(stays.id)).state == "running"
    await runs.drain()


@pytest.mark.rule("R15")
async def test_ended_runs_stay_for_a_while_and_so_many_of_them() -> None:
    runs, clock = clocked(keep=300, keep_count=2)
    ids = []
    for _ in range(3):
        run = await runs.start(hello)
        await run.wait()
        ids.append(run.id)
        await clock.advance(10)
    with pytest.raises(HubError, match="does not exist"):
        await runs.info(ids[0])
    assert (await runs.info(ids[1])).state == "completed"
    await clock.advance(285)
    with pytest.raises(HubError, match="does not exist"):
        await runs.info(ids[1])
    assert (await runs.info(ids[2])).state == "completed"


@pytest.mark.rule("R15")
async def test_on_end_is_told_once_of_each_run_and_tried_again_when_it_raises(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told: list[FinishedRun] = []
    attempts: list[str] = []

    async def on_end(run: FinishedRun) -> None:
        attempts.append(run.info.id)
        if run.info.state == "stopped" and attempts.count(run.info.id) < 3:
            raise RuntimeError("the database is away")
        told.append(run)

    async def fails(run: Run) -> None:
        await run.text("half")
        raise HubError("no model")

    runs, clock = clocked(on_end=on_end, keep=2)
    done, failed, stopped = await runs.start(hello), await runs.start(fails), await runs.start(for_ever)
    await done.wait()
    await failed.wait()
    await settle()
    await stopped.stop()
    await clock.advance(10)
    found = {run.info.state: (run.text, run.error) for run in told}
    assert found == {"completed": ("hello you", None), "failed": ("half", "no model"), "stopped": ("a", None)}
    assert len(told) == 3
    assert attempts.count(stopped.id) == 3
    assert "on_end failed" in caplog.text


@pytest.mark.rule("R15")
async def test_nothing_leaks() -> None:
    others = parts_of_runs()  # of other tests, whose applications something still holds
    runs, clock = clocked(keep=60, keep_keys=60, limits=RunLimits(per_starter=10**6))
    before = runs.statistics()
    for number in range(10_000):
        run = await runs.start(hello, starter=f"user {number % 7}", room=f"room {number % 11}", key=str(number))
        await collect(runs.attach(run.id))
    await clock.advance(61)
    del run
    runs._keys.sweep(clock.now())
    await settle()
    assert runs.statistics() == before
    assert len(runs._settings.log) == 0  # type: ignore[arg-type]
    assert parts_of_runs() <= others


@pytest.mark.rule("R16")
async def test_draining_lets_what_runs_finish_and_interrupts_the_rest() -> None:
    told: list[str] = []

    async def on_end(run: FinishedRun) -> None:
        told.append(run.info.state)

    runs, clock = clocked(drain=20, on_end=on_end)

    async def slow(run: Run) -> None:
        await run.text("a")
        await clock.sleep(10)
        await run.text("b")

    finishes, endless = await runs.start(slow, room="r"), await runs.start(for_ever)
    queued = await runs.start(hello, room="r", on_busy="queue")
    readers = [Reader(runs.attach(run.id)) for run in (finishes, endless, queued)]
    await settle()
    draining = asyncio.create_task(runs.drain())
    await settle()
    with pytest.raises(HubError, match="restarting"):
        await runs.start(hello)
    await clock.advance(15)
    assert not draining.done()
    await clock.advance(6)
    await draining
    ends = [reader.page.end for reader in readers]
    assert [end and end["state"] for end in ends] == ["completed", "interrupted", "interrupted"]
    assert [reader.page.text for reader in readers] == ["ab", "a", ""]
    assert sorted(told) == ["completed", "interrupted", "interrupted"]
    await runs.drain()


@pytest.mark.rule("R6")
async def test_a_failure_is_told_in_neutral_words_unless_it_was_said_on_purpose(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fails(run: Run, error: Exception) -> None:
        await run.text("kept")
        raise error

    for detailed, error, expected in (
        (False, RuntimeError("secret"), "The run failed because of an error on the server."),
        (False, HubError("Say it."), "Say it."),
        (True, RuntimeError("secret"), "RuntimeError: secret"),
    ):
        runs, _ = clocked(detailed_errors=detailed)
        page = await collect(runs.attach((await runs.start(fails, error)).id))
        assert page.end is not None
        assert (page.text, page.end["state"], page.end["error"]) == ("kept", "failed", expected)
    assert "secret" in caplog.text
    assert all(record.levelno == logging.ERROR for record in caplog.records)


@pytest.mark.rule("R17", "R21")
async def test_writing_never_waits_for_viewers() -> None:
    runs, _ = clocked(merge=0)

    async def function(run: Run) -> None:
        for number in range(1_000):
            await run.text(f"{number} ")

    run = await runs.start(function)
    stuck = runs.attach(run.id)
    first = await anext(stuck)
    info = await run.wait()  # though nobody reads on
    assert info.viewers == 1
    page = await collect(stuck)
    assert first["kind"] in ("live", "text")
    assert first.get("text", "") + page.text == "".join(f"{number} " for number in range(1_000))
    assert len(page.items) < 1_000  # the viewer was behind: what waited was merged


@pytest.mark.rule("R26", "R27")
async def test_a_budget_warns_and_then_ends_the_run() -> None:
    runs, _ = clocked()

    async def charges(run: Run, count: int) -> None:
        for number in range(count):
            await run.text(f"{number} ")
            await run.charge(1, provider="p", model="m")

    budget = MemoryBudget(10)
    page = await collect(runs.attach((await runs.start(charges, 100, budget=budget, starter="ada")).id))
    assert next(item for item in page.items if item["kind"] == "status")["left"] == 2
    assert page.end is not None
    assert (page.end["state"], page.end["error"]) == ("limited", "The budget is used up.")
    assert page.end["usage"] == [{"provider": "p", "model": "m", "totalTokens": 10}]
    assert page.text == "".join(f"{number} " for number in range(10))
    with pytest.raises(HubError, match="used up"):
        await runs.start(charges, 1, budget=budget, starter="ada")
    await (await runs.start(charges, 1, budget=budget, starter="bob")).wait()


@pytest.mark.rule("R26")
async def test_what_was_reserved_and_not_used_goes_back() -> None:
    runs, clock = clocked()
    budget = MemoryBudget(10, window=100, clock=clock)

    async def uses_three(run: Run) -> None:
        await run.charge(3)
        await asyncio.Event().wait()

    run = await runs.start(uses_three, budget=budget, reserve=10, starter="ada")
    await settle()
    with pytest.raises(HubError, match="used up"):
        await runs.start(uses_three, budget=budget, starter="ada")
    await run.stop()
    assert await budget.reserve("ada", 100) == 7
    await budget.release("ada", 7)
    await clock.advance(101)
    assert await budget.reserve("ada", 100) == 10


@pytest.mark.rule("R26")
async def test_an_answer_sets_aside_while_it_grows_and_pays_at_its_end_or_not_at_all() -> None:
    runs, _ = clocked()
    budget = MemoryBudget(10)

    async def grows(run: Run, words: int, price: int) -> None:
        try:
            for number in range(words):
                await run.text(f"{number} ")
                await run.reserve(1)
            if not price:
                raise HubError("failed")
        finally:
            if price:
                await run.charge(price)

    async def ends(words: int, price: int) -> tuple[str, str]:
        page = await collect(runs.attach((await runs.start(grows, words, price, budget=budget, starter="ada")).id))
        assert page.end is not None
        await settle()
        return page.text, page.end["state"]

    assert await ends(8, 0) == ("0 1 2 3 4 5 6 7 ", "failed")
    assert await ends(8, 3) == ("0 1 2 3 4 5 6 7 ", "completed")
    assert await budget.reserve("ada", 100) == 7
    await budget.release("ada", 7)
    # One token was set aside at the start; what is charged on the way out counts, and ends nothing twice.
    assert await ends(20, 7) == ("0 1 2 3 4 5 6 ", "limited")
    assert await budget.reserve("ada", 100) == 0


@pytest.mark.rule("R27")
async def test_usage_is_one_entry_for_each_model() -> None:
    runs, _ = clocked()

    async def function(run: Run) -> None:
        run.usage(model="a", input_tokens=5, output_tokens=2)
        run.usage(model="b", cached_tokens=7, note="x")
        run.usage(model="a", output_tokens=3)

    info = await (await runs.start(function)).wait()
    assert info.item()["usage"] == [
        {"model": "a", "inputTokens": 5, "outputTokens": 5, "totalTokens": 10},
        {"model": "b", "cachedTokens": 7, "note": "x"},
    ]
    assert (await (await runs.start(hello)).wait()).usage == ()


@pytest.mark.rule("R28")
async def test_messages_into_a_run() -> None:
    runs, _ = clocked()

    async def takes_two(run: Run) -> None:
        for _ in range(2):
            message = await run.inbox.take()
            await run.text(f"{message.value} ")
        await asyncio.Event().wait()

    run = await runs.start(takes_two, inbox=True)
    reader = Reader(runs.attach(run.id))
    ids = [await runs.steer(run.id, word, caller=Caller("ada")) for word in ("one", "two", "three")]
    await settle()
    steered = [item for item in reader.page.items if item["kind"] == "steered"]
    assert [(item["steerId"], item["by"], item["value"]) for item in steered] == [
        (ids[0], "ada", "one"),
        (ids[1], "ada", "two"),
    ]
    for _ in range(9):
        await runs.steer(run.id, "more")
    with pytest.raises(HubError, match=r"^Too many messages wait\.$"):
        await runs.steer(run.id, "more")
    with pytest.raises(HubError, match="16 KiB"):
        await runs.steer(run.id, "x" * 16_384)
    await run.stop()
    await reader.task
    assert reader.page.end is not None
    assert reader.page.end["unread"][0] == ids[2]
    assert len(reader.page.end["unread"]) == 10
    with pytest.raises(HubError, match=r"^The run has ended\.$"):
        await runs.steer(run.id, "late")
    without = await runs.start(for_ever)
    with pytest.raises(HubError, match=r"^The run takes no messages\.$"):
        await runs.steer(without.id, "x")
    await runs.drain()


@pytest.mark.rule("R10")
async def test_who_is_stopped_while_waiting_never_begins_even_when_its_turn_comes_at_that_moment() -> None:
    runs, _ = clocked()
    called: list[str] = []

    async def function(run: Run) -> None:
        called.append(run.id)

    first = await runs.start(for_ever, room="r")
    second = await runs.start(function, room="r", on_busy="queue")
    await settle()
    infos = await asyncio.gather(first.stop(), second.stop())
    assert [info.state for info in infos] == ["stopped", "stopped"]
    await settle()
    assert called == []
    assert runs.statistics()["rooms"] == 0


@pytest.mark.rule("R25")
async def test_a_question_that_the_function_gives_up_is_closed() -> None:
    runs, clock = clocked()

    async def impatient(run: Run) -> None:
        asking = asyncio.ensure_future(run.ask("Go on?"))
        await clock.sleep(5)
        asking.cancel()
        await asyncio.wait([asking])
        await run.text("without you")
        await clock.sleep(5)

    run = await runs.start(impatient)
    reader = Reader(runs.attach(run.id))
    await clock.advance(6)
    assert reader.page.find("answered")["expired"] is True
    assert (await runs.info(run.id)).state == "running"
    await clock.advance(5)
    assert (await run.wait()).state == "completed"


def test_in_another_event_loop_there_are_no_runs_and_it_begins_anew() -> None:
    runs, _ = clocked()
    log = runs._settings.log

    async def first() -> str:
        run = await runs.start(for_ever, key="k", starter="ada")
        await settle()
        await runs.drain()
        return run.id

    async def second(run_id: str) -> str:
        with pytest.raises(HubError, match="does not exist"):
            await runs.info(run_id)
        await settle()
        assert len(log) == 0  # type: ignore[arg-type]
        run = await runs.start(hello, key="k", starter="ada")
        return (await collect(runs.attach(run.id))).text

    assert asyncio.run(second(asyncio.run(first()))) == "hello you"
