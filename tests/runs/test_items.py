"""What runs send has the types that contracts say."""

from collections.abc import AsyncIterator
from typing import Any, get_type_hints

import msgspec
import pytest

from hubline.runs import Run, RunsHub
from hubline.runs.items import RunItem, RunsChange
from hubline.testing import connect, running
from hubline.testing.harness import ProtocolName
from tests.runs.viewer import app_with, clocked


def as_declared(value: Any, kind: Any) -> Any:
    """It has no keys but those of the type, and values that fit."""
    assert msgspec.convert(value, kind) == value
    return value


async def everybody(*args: object) -> bool:
    return True


async def everything(run: Run) -> None:
    await run.status("thinking")
    await run.reasoning("hm")
    await run.text("to be")
    await run.retract(await run.data("sources", [1]))
    if await run.ask("Go on?"):
        await run.text(str((await run.inbox.take()).value))
    run.usage(model="m", output_tokens=3)


@pytest.mark.parametrize("protocol", ["json", "messagepack"])
async def test_items_and_results_are_what_the_contract_says(protocol: ProtocolName) -> None:
    runs, clock = clocked(allow=everybody)
    hints = {name: get_type_hints(getattr(RunsHub, name))["return"] for name in ("run_info", "room_runs", "stop_run")}
    assert get_type_hints(RunsHub.attach_run)["return"] == AsyncIterator[RunItem]
    assert get_type_hints(RunsHub.watch_runs)["return"] == AsyncIterator[RunsChange]
    async with running(app := app_with(runs, clock)), connect(app, "/runs", protocol=protocol) as client:
        run = await runs.start(everything, room="r", inbox=True)
        kinds = []
        async for item in client.stream("AttachRun", run.id, None):
            kinds.append(as_declared(item, RunItem)["kind"])
            if item["kind"] == "ask":
                as_declared(await client.invoke("RunInfo", run.id), hints["run_info"])
                await client.invoke("AnswerRun", run.id, item["askId"], True)
            elif item["kind"] == "answered":
                await client.invoke("SteerRun", run.id, "shorter")
        assert {*kinds} >= {
            "status",
            "reasoning",
            "text",
            "data",
            "retract",
            "ask",
            "answered",
            "steered",
            "live",
            "end",
        }
        snapshot = await anext(client.stream("AttachRun", run.id, "foreign"))
        assert as_declared(snapshot, RunItem)["kind"] == "snapshot"
        assert as_declared(await client.invoke("RoomRuns", "r"), hints["room_runs"])
        as_declared(await client.invoke("StopRun", run.id), hints["stop_run"])
        changes = client.stream("WatchRuns", "r")
        assert as_declared(await anext(changes), RunsChange)["kind"] == "runs"
