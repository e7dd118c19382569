"""Several servers on one storage: any of them attaches to, stops, answers, steers and lists any run."""

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from hubline import HubApp, HubError
from hubline.runs import Caller, Run, Runs, RunsHub, StopAfter
from hubline.testing import ManualClock, connect
from tests.runs.fleet import fleet, say, text, until_holds
from tests.runs.storages import Storage
from tests.valkey import LIMIT


async def in_two_attempts(run: Run) -> None:
    if not run.parts:
        await run.text("one ")
        await asyncio.Event().wait()
    await run.text("two ")


ALICE, BOB = Caller("alice"), Caller("bob")


@pytest.mark.rule("R29")
async def test_any_server_attaches_to_a_run_and_goes_on_where_a_viewer_was(storage: Storage) -> None:
    async with fleet(storage) as servers:
        first, second = servers.runs
        words: asyncio.Queue[str | None] = asyncio.Queue()
        run = await first.start(say, words, starter="alice")
        items: list[dict[str, Any]] = []
        words.put_nowait("one ")
        async for item in first.attach(run.id, caller=ALICE):
            items.append(item)
            if item["kind"] == "text":
                break
        words.put_nowait("two ")
        async for item in second.attach(run.id, items[-1]["position"], caller=ALICE):
            items.append(item)
            if item["kind"] == "text":
                words.put_nowait(None)
        assert [item["kind"] for item in items if item["kind"] != "live"] == ["text", "text", "end"]
        assert text(items) == "one two "
        again = [item async for item in second.attach(run.id, None, caller=ALICE)]
        assert [item["position"] for item in again if item["kind"] == "text"] == [
            item["position"] for item in items if item["kind"] == "text"
        ]
        info = await second.info(run.id, caller=ALICE)
        assert (info.state, info.starter, info.id) == ("completed", "alice", run.id)


@pytest.mark.rule("R29")
async def test_a_late_viewer_on_another_server_gets_what_was_folded(storage: Storage) -> None:
    async with fleet(storage, entries=8) as servers:
        first, second = servers.runs

        async def count(run: Run) -> None:
            for number in range(50):
                await run.text(f"{number} ")

        run = await first.start(count)
        await run.wait()
        items = [item async for item in second.attach(run.id)]
        assert items[0]["kind"] == "snapshot"
        assert items[0]["parts"][0]["text"] == "".join(f"{number} " for number in range(50))
        assert items[-1]["state"] == "completed"


@pytest.mark.rule("R29")
async def test_any_server_stops_a_run(storage: Storage) -> None:
    async with fleet(storage) as servers:
        first, second = servers.runs
        run = await first.start(say, asyncio.Queue(), starter="alice")
        with pytest.raises(HubError, match="does not exist"):
            await second.stop(run.id, caller=BOB)
        with pytest.raises(HubError, match="does not exist"):
            await second.info("another", caller=BOB)
        infos = await asyncio.gather(second.stop(run.id, caller=ALICE), first.stop(run.id, caller=ALICE))
        assert [info.state for info in infos] == ["stopped", "stopped"]
        assert infos[0].ended_at is not None
        assert (await second.stop(run.id, caller=ALICE)).state == "stopped"
        await until_holds(lambda: len(servers.ends) == 1)
        assert servers.ends == [(0, run.id, "stopped", "")]


@pytest.mark.rule("R29")
async def test_an_end_whose_description_is_still_to_come_is_told_whole(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All servers know an end as soon as it is written; when it was and what it has used stand in the description."""
    async with fleet(storage) as servers:
        first, second = servers.runs
        describe, described = servers.logs[0].describe, asyncio.Event()

        async def late(about: dict[str, Any], **settings: Any) -> None:
            if about["ended"]:
                await described.wait()
            await describe(about, **settings)

        monkeypatch.setattr(servers.logs[0], "describe", late)

        async def using(run: Run) -> None:
            run.usage(model="small", input_tokens=1, output_tokens=2)

        run = await first.start(using, starter="alice")
        known = (await run.wait()).item()
        for info in (await second.info(run.id), await second.stop(run.id, caller=ALICE)):
            assert info.item() == known
        described.set()
        await until_holds(lambda: len(servers.ends) == 1)


@pytest.mark.rule("R29")
async def test_any_server_answers_a_question_once(storage: Storage) -> None:
    async with fleet(storage) as servers:
        first, second = servers.runs

        async def asking(run: Run) -> None:
            agreed = await run.ask("Go on?", schema=bool, who=["bob"])
            await run.text(f"{agreed} by {run.answered_by}")

        run = await first.start(asking, starter="alice")
        items = second.attach(run.id, caller=ALICE)
        seen = []
        async for item in items:
            seen.append(item)
            if item["kind"] == "ask":
                with pytest.raises(HubError, match="does not exist"):
                    await second.answer(run.id, item["askId"], True, caller=ALICE)
                with pytest.raises(HubError, match="does not fit"):
                    await second.answer(run.id, item["askId"], "perhaps", caller=BOB)
                await second.answer(run.id, item["askId"], True, caller=BOB)
        assert text(seen) == "True by bob"
        with pytest.raises(HubError, match="Already answered by bob"):
            await second.answer(run.id, next(i["askId"] for i in seen if i["kind"] == "ask"), True, caller=BOB)


@pytest.mark.rule("R29")
async def test_any_server_steers_a_run(storage: Storage) -> None:
    async with fleet(storage) as servers:
        first, second = servers.runs

        async def steered(run: Run) -> None:
            message = await run.inbox.take()
            await run.text(f"{message.value} from {message.by}")

        run = await first.start(steered, starter="alice", inbox=True)
        deaf = await first.start(say, asyncio.Queue(), starter="alice")
        with pytest.raises(HubError, match="takes no messages"):
            await second.steer(deaf.id, "x", caller=ALICE)
        steer_id = await second.steer(run.id, "shorter", caller=ALICE)
        items = [item async for item in second.attach(run.id, caller=ALICE)]
        assert text(items) == "shorter from alice"
        assert [item["steerId"] for item in items if item["kind"] == "steered"] == [steer_id]


@pytest.mark.rule("R29")
async def test_every_server_lists_the_runs_of_a_room_and_of_a_starter_and_tells_their_changes(storage: Storage) -> None:
    async with fleet(storage) as servers:
        first, second = servers.runs
        words: asyncio.Queue[str | None] = asyncio.Queue()
        run = await first.start(say, words, room="a", starter="alice")
        other = await second.start(say, asyncio.Queue(), room="a", starter="bob")
        for runs in servers.runs:
            assert [info.id for info in await runs.room_runs("a", caller=ALICE)] == [run.id]
            assert {info.id for info in await runs.room_runs("a")} == {run.id, other.id}
        for room in ("a", None):
            watched = second.watch(room, caller=ALICE)
            assert [each["id"] for each in (await anext(watched))["runs"]] == [run.id]
            await watched.aclose()  # type: ignore[attr-defined]
        watched = second.watch("a", caller=ALICE)
        await anext(watched)
        words.put_nowait(None)
        change = await anext(watched)
        assert (change["kind"], change["info"]["id"], change["info"]["state"]) == ("run", run.id, "completed")
        await watched.aclose()  # type: ignore[attr-defined]


@pytest.mark.rule("R14")
async def test_viewers_of_all_servers_count_for_who_stops_without_any(storage: Storage) -> None:
    clock = ManualClock()  # the run does not stop before its viewer has come, however long that takes
    async with fleet(storage, clock=clock) as servers:
        first, second = servers.runs
        run = await first.start(say, asyncio.Queue(), on_last_viewer=StopAfter(30))
        record = first._records[run.id]
        items = second.attach(run.id)
        assert (await anext(items))["kind"] == "live"
        await until_holds(lambda: len(record.viewers) == 1)
        await clock.advance(60)
        assert (await first.info(run.id)).state == "running"
        await items.aclose()
        await until_holds(lambda: "viewers" in record.timers)
        await clock.advance(30)
        assert (await run.wait()).state == "stopped"


@pytest.mark.rule("R29")
async def test_clients_of_two_apps_see_one_run(storage: Storage) -> None:
    words: asyncio.Queue[str | None] = asyncio.Queue()
    async with fleet(storage) as servers:

        def app(runs: Runs) -> HubApp:
            class Assistant(RunsHub, runs=runs):
                async def ask(self) -> str:
                    return (await self.runs.start(say, words)).id

            return HubApp({"/assistant": Assistant})

        first, second = map(app, servers.runs)
        async with connect(first, "/assistant") as one, connect(second, "/assistant") as two:
            run_id = await one.invoke("Ask")
            words.put_nowait("hello")
            words.put_nowait(None)
            for client in (one, two):
                items = [item async for item in client.stream("AttachRun", run_id, None)]
                assert text(items) == "hello"
                assert items[-1]["state"] == "completed"


@pytest.mark.rule("R16", "R30")
async def test_for_a_server_that_stops_in_order_nobody_waits(storage: Storage) -> None:
    """Neither until the others look, nor as long as one that has just begun knows too little to judge."""
    async with fleet(storage, lease=3_600) as servers:
        first, second = servers.runs
        servers.restartable(in_two_attempts)
        assert await servers.logs[1].about("none") is None  # it has its lease
        run = await first.start(in_two_attempts)
        items = []
        async with asyncio.timeout(LIMIT), aclosing(second.attach(run.id)) as viewed:
            async for item in viewed:
                items.append(item)
                if item.get("text") == "one ":
                    await first.drain()
        assert (text(items), items[-1]["state"]) == ("one two ", "completed")
        assert await servers.ended(1)
        assert servers.ends == [(1, run.id, "completed", "one two ")]
