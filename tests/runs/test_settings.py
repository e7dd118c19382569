"""What is wrong with the settings of runs is told when they are made."""

import math
from collections.abc import Callable
from typing import Any

import pytest

from hubline import ConfigurationError, HubApp
from hubline.runs import MemoryBudget, MemoryRunLog, Run, RunLimits, Runs, RunsHub, StopAfter
from hubline.testing import ManualClock


def problems(make: Callable[[], Any]) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        make()
    return list(caught.value.problems)


def test_every_mistake_of_runs_is_named_at_once() -> None:
    wrong: dict[str, Any] = {
        "log": MemoryRunLog,
        "log_entries": 0,
        "limits": {"text": 5},
        "clock": 1,
        "allow": "everybody",
        "authenticate": "nobody",
        "on_end": True,
        "now": 5,
        "on_busy": "wait",
        "on_last_viewer": 30,
        "keep": "300",
        "keep_keys": -1,
        "merge": math.nan,
        "drain": None,
        "keep_count": 1.5,
        "resync": True,
        "detailed_errors": "no",
    }
    found = problems(lambda: Runs(**wrong))
    assert [problem.removeprefix("Runs.").split()[0] for problem in found] == list(wrong)
    assert "Runs.limits must be a RunLimits or None, got {'text': 5}" in found
    assert "Runs.merge must be a finite number, 0 or greater, got nan" in found
    assert "Runs.on_last_viewer must be 'continue' or `StopAfter(seconds)`, got 30" in found
    choices = "'concurrent', 'queue', 'latest', 'reject' or 'interrupt'"
    assert f"Runs.on_busy must be {choices}, got 'wait'" in found


def test_every_mistake_of_limits_is_named_at_once() -> None:
    wrong: dict[str, Any] = {
        "per_starter": 0,
        "per_server": "10000",
        "text": -1,
        "entry": 1.5,
        "silence": 0,
        "length": "60",
        "waiting": -1,
        "clean_up": None,
    }
    found = problems(lambda: RunLimits(**wrong))
    assert [problem.removeprefix("RunLimits.").split()[0] for problem in found] == list(wrong)
    assert "RunLimits.silence must be a number greater than 0 or None, got 0" in found
    RunLimits(silence=None, length=None, waiting=0, clean_up=0)


def test_the_smaller_ones() -> None:
    assert problems(lambda: StopAfter(-1)) == ["StopAfter.seconds must be a number, 0 or greater, got -1"]
    wanted = "MemoryRunLog.entries must be a whole number greater than 0, got 0"
    assert problems(lambda: MemoryRunLog(0)) == [wanted]
    found = problems(lambda: MemoryBudget(1.5, window=0, name=7, clock=5))  # type: ignore[arg-type]
    assert [problem.split()[0] for problem in found] == [
        "MemoryBudget.limit",
        "MemoryBudget.window",
        "MemoryBudget.name",
        "MemoryBudget.clock",
    ]
    StopAfter(0), MemoryBudget(0)


def test_a_hub_wants_the_applications_runs() -> None:
    def given() -> type:
        class Assistant(RunsHub, runs=Runs): ...  # type: ignore[arg-type]

        return Assistant

    (problem,) = problems(given)
    assert problem.partition(".runs must be the application's `Runs(…)` or None, got ")[0].endswith("Assistant")

    class Later(RunsHub):
        hubline_runs = "runs"  # type: ignore[assignment]

    (problem,) = problems(lambda: HubApp({"/runs": Later}))
    assert ".hubline_runs must be the application's `Runs(…)`" in problem


async def test_a_log_that_is_empty_is_a_log() -> None:
    log = MemoryRunLog()
    runs = Runs(log=log, clock=ManualClock(), drain=0.0)

    async def answer(run: Run) -> None:
        await run.text("a")

    await (await runs.start(answer)).wait()
    assert len(log) == 1
    await runs.drain()
