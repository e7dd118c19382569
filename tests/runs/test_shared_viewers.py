"""Viewers that are at other servers than the run: how its owner counts them."""

import asyncio
from typing import Any

import pytest

from hubline import HubError
from hubline.errors import BackplaneError
from hubline.runs import StopAfter
from tests.runs.fleet import Gate, Words, fleet, restarted, say, take_over, until_holds
from tests.runs.storages import Storage
from tests.valkey import LIMIT


@pytest.mark.rule("R14", "R33")
async def test_viewers_count_at_the_server_that_has_taken_the_run_over_wherever_they_are(storage: Storage) -> None:
    async with fleet(storage) as servers, asyncio.timeout(LIMIT):
        first, second = servers.runs
        servers.restartable(restarted)
        run = await first.start(restarted, on_last_viewer=StopAfter(LIMIT))
        viewers = [runs.attach(run.id) for runs in servers.runs]
        for viewer in viewers:
            await anext(viewer)
        await until_holds(lambda: len(first._records[run.id].viewers) == 2)
        await take_over(servers, run.id)
        record = second._records[run.id]
        await servers.logs[0]._renew()  # hears that it has lost the run
        await until_holds(lambda: len(record.viewers) == 2)
        assert "viewers" not in record.timers
        for left, viewer in zip((1, 0), viewers, strict=True):
            await viewer.aclose()
            await until_holds(lambda left=left: len(record.viewers) == left)
        assert "viewers" in record.timers


@pytest.mark.rule("R14", "R33")
async def test_a_viewer_that_leaves_while_news_of_another_owner_come_is_taken_off(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with fleet(storage) as servers, asyncio.timeout(LIMIT):
        (first, second), log, gate = servers.runs, servers.logs[1], Gate()
        run = await first.start(say, Words())
        record, call = first._records[run.id], log.call

        async def answered_late(run_id: str, request: Any) -> Any:
            answer = await call(run_id, request)
            await gate.passed()
            return answer

        monkeypatch.setattr(log, "call", answered_late)
        viewer = second.attach(run.id)
        await anext(viewer)
        await gate.reached.wait()
        assert len(record.viewers) == 1
        about = second._elsewhere._followed[run.id].about
        second._elsewhere.changed({**about, "fence": about["fence"] - 1}, None)  # news that were on their way for long
        await viewer.aclose()
        gate.open.set()
        await until_holds(lambda: not record.viewers)


@pytest.mark.rule("R14", "R33")
async def test_the_number_of_viewers_is_reported_again_until_the_owner_has_it(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with fleet(storage) as servers, asyncio.timeout(LIMIT):
        first, second = servers.runs
        monkeypatch.setattr("hubline.runs.elsewhere.AGAIN", 0.0, raising=False)
        run = await first.start(say, Words())
        record, log = first._records[run.id], servers.logs[1]
        call, failures = log.call, 0

        async def fails_once(run_id: str, request: Any) -> Any:
            nonlocal failures
            failures += 1
            if failures % 2:
                raise BackplaneError("away")
            return await call(run_id, request)

        monkeypatch.setattr(log, "call", fails_once)
        viewer = second.attach(run.id)
        await anext(viewer)
        await until_holds(lambda: len(record.viewers) == 1)
        await viewer.aclose()
        await until_holds(lambda: len(record.viewers) == 0)
        await until_holds(lambda: not len(second._elsewhere))


@pytest.mark.rule("R14", "R33")
async def test_a_number_of_viewers_whose_answer_was_lost_is_not_taken_for_one_that_did_not_arrive(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with fleet(storage) as servers, asyncio.timeout(LIMIT):
        first, second = servers.runs
        monkeypatch.setattr("hubline.runs.elsewhere.AGAIN", 3600.0)
        run = await first.start(say, Words())
        record, log = first._records[run.id], servers.logs[1]
        call, answers = log.call, [HubError("The server of the run cannot be reached.")]

        async def loses_the_first_answer(run_id: str, request: Any) -> Any:
            found = await call(run_id, request)
            if answers:
                raise answers.pop()
            return found

        monkeypatch.setattr(log, "call", loses_the_first_answer)
        viewer = second.attach(run.id)
        await anext(viewer)
        await until_holds(lambda: len(record.viewers) == 1)
        await viewer.aclose()
        await until_holds(lambda: len(record.viewers) == 0)
