"""A takeover by another server in the middle of something else."""

import asyncio
from typing import Any

import pytest

from hubline import HubError
from hubline.runs import Caller, Run, StopAfter
from tests.runs import fleet as fleets
from tests.runs.fleet import (
    Fleet,
    asks,
    fleet,
    open_question,
    restarted,
    take_over,
    text,
    to_the_end,
    until_holds,
)
from tests.runs.storages import Storage
from tests.valkey import LIMIT


class Gate(fleets.Gate):
    """Lets everybody do everything, late."""

    async def allows(self, action: str, run: Any, caller: Any) -> bool:
        await self.passed()
        return True


async def listening(run: Run) -> None:
    await run.text((await run.inbox.take()).value)


async def lost_to_the_second(servers: Fleet, run_id: str) -> None:
    """The second server takes over a run of the first, which hears of it."""
    await take_over(servers, run_id)
    await servers.logs[0]._renew()


@pytest.mark.rule("R22", "R33")
async def test_a_viewer_whose_rights_are_asked_for_while_another_server_takes_the_run_over_sees_it_to_its_end(
    storage: Storage,
) -> None:
    gate = Gate()
    async with fleet(storage, allow=gate.allows) as servers, asyncio.timeout(LIMIT):
        first, second = servers.runs
        servers.restartable(restarted)
        run = await first.start(restarted)
        viewer = first.attach(run.id, caller=Caller("ada"))
        attaching = asyncio.ensure_future(anext(viewer))
        await gate.reached.wait()
        await lost_to_the_second(servers, run.id)
        gate.open.set()
        items = [await attaching]
        await second.stop(run.id)
        items += [item async for item in viewer]
        assert (items[-1]["kind"], items[-1]["state"]) == ("end", "stopped")


@pytest.mark.rule("H1", "R33")
async def test_a_response_that_begins_when_another_server_has_taken_the_run_over_goes_on_to_its_end(
    storage: Storage,
) -> None:
    async with fleet(storage) as servers, asyncio.timeout(LIMIT):
        first, second = servers.runs
        servers.restartable(restarted)
        run = await first.start(restarted)
        response = await first.respond(run.id)
        await lost_to_the_second(servers, run.id)
        body = b""

        async def send(message: Any) -> None:
            nonlocal body
            body += message.get("body", b"")

        async def receive() -> Any:
            await asyncio.Event().wait()

        reading = asyncio.create_task(response({"type": "http", "method": "GET"}, receive, send))
        await second.stop(run.id)
        await reading
        assert b'"stopped"' in body


@pytest.mark.rule("R28", "R33")
async def test_a_message_whose_rights_are_asked_for_while_another_server_takes_the_run_over_arrives_there(
    storage: Storage,
) -> None:
    gate = Gate()
    async with fleet(storage, allow=gate.allows) as servers, asyncio.timeout(LIMIT):
        first, second = servers.runs
        servers.restartable(listening)
        run = await first.start(listening, inbox=True)
        steering = asyncio.create_task(first.steer(run.id, "hello", caller=Caller("ada")))
        await gate.reached.wait()
        await lost_to_the_second(servers, run.id)
        gate.open.set()
        await steering
        items = await to_the_end(second, run.id)
        assert (text(items), items[-1]["state"]) == ("hello", "completed")


@pytest.mark.rule("R25", "R33")
async def test_an_answer_whose_rights_are_asked_for_while_another_server_takes_the_run_over_is_judged_there(
    storage: Storage,
) -> None:
    gate = Gate()
    async with fleet(storage, allow=gate.allows) as servers, asyncio.timeout(LIMIT):
        first, second = servers.runs
        servers.restartable(asks)
        run = await first.start(asks)
        ask_id = await open_question(first, run.id)
        answering = asyncio.create_task(first.answer(run.id, ask_id, True, caller=Caller("ada")))
        await gate.reached.wait()
        await lost_to_the_second(servers, run.id)
        gate.open.set()
        with pytest.raises(HubError) as caught:  # it is asked anew there
            await answering
        assert "ended" not in str(caught.value)
        assert (await second.stop(run.id)).state == "stopped"


@pytest.mark.rule("R30")
async def test_a_function_is_not_called_where_the_run_is_lost_before_its_task_begins(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with fleet(storage, 1) as servers, asyncio.timeout(LIMIT):
        (runs,) = servers.runs
        begin, begun = runs._execution.begin, asyncio.Queue[Any]()

        def lost_at_once(record: Any) -> None:
            begin(record)
            runs._lost(record)
            begun.put_nowait(record)

        async def never(run: Run) -> None:
            called.append(run.id)

        called: list[str] = []
        monkeypatch.setattr(runs._execution, "begin", lost_at_once)
        await runs.start(never)
        await asyncio.wait([(await begun.get()).task])
        assert called == []


@pytest.mark.rule("R14", "R33")
async def test_viewers_are_reported_to_a_new_owner_that_was_seen_before_its_news_came(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with fleet(storage, 3) as servers, asyncio.timeout(LIMIT):
        first, second, third = servers.runs
        servers.restartable(restarted)
        run = await first.start(restarted, on_last_viewer=StopAfter(LIMIT))
        viewer = third.attach(run.id)
        await anext(viewer)
        await until_holds(lambda: len(first._records[run.id].viewers) == 1)
        news, changed = Gate(), third._elsewhere.changed

        def late(about: Any, group: Any) -> None:
            news.reached.set()

        monkeypatch.setattr(third._elsewhere, "changed", late)
        await take_over(servers, run.id)
        await news.reached.wait()
        about = await servers.logs[2].about(run.id)
        assert about is not None
        assert (await third.info(run.id)).state == "running"
        changed(about, None)
        await until_holds(lambda: len(second._records[run.id].viewers) == 1)
        await viewer.aclose()


@pytest.mark.rule("R14", "R33")
async def test_viewers_that_a_server_reports_while_another_looks_whether_it_lives_count(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lease had lapsed when the storage was asked, and it was back before the answer was read."""
    async with fleet(storage) as servers, asyncio.timeout(LIMIT):
        first, second = servers.runs
        run = await first.start(restarted)
        viewer = second.attach(run.id)
        await anext(viewer)
        record, log, gate = first._records[run.id], servers.logs[0], Gate()
        await until_holds(lambda: len(record.viewers) == 1)

        async def lapsed(node: str) -> bool:
            await gate.passed()
            return False

        with monkeypatch.context() as patched:
            patched.setattr(log._leases._members, "lives", lapsed)
            looking = asyncio.create_task(log._leases._look_for(log._calls))
            await gate.reached.wait()
        record.viewers = set()
        second._elsewhere.told_anew()
        await until_holds(lambda: len(record.viewers) == 1)
        gate.open.set()
        await looking
        assert len(record.viewers) == 1
        await viewer.aclose()
        await until_holds(lambda: not record.viewers)
