"""What is not there and what is not yours look the same on every server, and take as long."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from hubline import HubError
from hubline.runs import Caller, Run, Runs
from hubline.runs.redis_log import RedisRunLog
from tests.runs.fleet import Fleet, fleet, say
from tests.valkey import Valkey, valkey

pytestmark = pytest.mark.valkey

BOB = Caller("bob")


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with valkey() as started:
        yield started


async def attach(runs: Runs, run_id: str) -> None:
    async for _ in runs.attach(run_id, caller=BOB):
        raise AssertionError("somebody who may not was let in")


CALLS: dict[str, Callable[[Runs, str], Awaitable[Any]]] = {
    "attach": attach,
    "info": lambda runs, run_id: runs.info(run_id, caller=BOB),
    "stop": lambda runs, run_id: runs.stop(run_id, caller=BOB),
    "steer": lambda runs, run_id: runs.steer(run_id, "x", caller=BOB),
    "answer": lambda runs, run_id: runs.answer(run_id, "ask", True, caller=BOB),
}


class Trips:
    """Counts how often all servers of a fleet have asked Redis, in how many round trips one after the other."""

    def __init__(self, servers: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        for log in servers.logs:
            self._count(log, monkeypatch)

    def _count(self, log: RedisRunLog, monkeypatch: pytest.MonkeyPatch) -> None:
        commands = log._commands
        ask = commands._call

        async def counted(*asked: Any) -> Any:
            self.count += 1
            return await ask(*asked)

        monkeypatch.setattr(commands, "_call", counted)

    async def of(self, call: Awaitable[Any]) -> tuple[int, str]:
        before = self.count
        try:
            await call
        except HubError as error:
            return self.count - before, str(error)
        raise AssertionError("it was not refused")


@pytest.mark.rule("R4")
@pytest.mark.parametrize("name", CALLS)
async def test_a_run_that_may_not_be_seen_costs_as_many_round_trips_as_none(
    server: Valkey, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with fleet(server, lease=3_600) as servers:
        first, second = servers.runs
        assert await second.room_runs("none") == []
        asked = asyncio.Event()

        async def asking(run: Run) -> None:
            await run.status("asked")
            asked.set()
            await run.ask("Go on?", who=["carol"])

        run = await first.start(asking, starter="alice", inbox=True)
        ended = await first.start(say, asyncio.Queue(), starter="alice")
        await ended.stop()
        await asked.wait()
        assert await servers.ended(1)

        async def quiet() -> bool:
            return not first._telling._sharing and not first._telling._settling

        await servers.until(quiet)
        trips = Trips(servers, monkeypatch)
        found = {
            (await trips.of(CALLS[name](runs, run_id)))
            for runs in servers.runs
            for run_id in (run.id, ended.id, "none-of-that-name")
        }
        assert {text for _, text in found} == {"The run does not exist."}
        assert len(found) == 1


@pytest.mark.rule("R4")
async def test_a_question_that_is_for_others_costs_as_much_on_every_server(
    server: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with fleet(server, lease=3_600) as servers:
        first, second = servers.runs

        async def asking(run: Run) -> None:
            await run.ask("Go on?", who=["carol"])

        run = await first.start(asking, starter="alice")
        items = first.attach(run.id)
        while (item := await anext(items))["kind"] != "ask":
            pass
        ask_id = item["askId"]
        await items.aclose()

        async def waits() -> bool:
            return (await second.info(run.id)).state == "waiting" and not first._telling._sharing

        await servers.until(waits)
        trips = Trips(servers, monkeypatch)
        found = {
            await trips.of(runs.answer(run_id, ask_id, True, caller=caller))
            for runs in servers.runs
            for run_id, caller in ((run.id, BOB), (run.id, Caller("alice")), ("none", BOB))
        }
        assert found == {(4, "The run does not exist.")}
