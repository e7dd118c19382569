"""Budgets in memory as the workers of one machine have them: each "worker" is a `Runs` of this process."""

import logging
from pathlib import Path
from typing import Any

import pytest

from hubline import _worker
from hubline._worker import Worker
from hubline.runs import MemoryBudget, MemoryRunLog, Run, Runs


async def paying(run: Run, tokens: int) -> None:
    await run.charge(tokens)
    await run.text("paid")


async def also_paying(run: Run, tokens: int) -> None:
    await paying(run, tokens)


def begun(number: int, directory: Path, monkeypatch: pytest.MonkeyPatch, count: int = 2) -> Runs:
    """The `Runs` of an application that a worker has loaded."""
    monkeypatch.setattr(_worker, "current", Worker(number, str(directory), "secret", count))
    return Runs(log=MemoryRunLog())


async def state(runs: Runs, function: Any, *arguments: Any, **settings: Any) -> str:
    run = await runs.start(function, *arguments, starter="ada", **settings)
    return (await run.wait()).state


@pytest.mark.rule("R26")
async def test_workers_count_the_budget_of_a_function_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workers = []
    for number in range(2):
        runs = begun(number, tmp_path, monkeypatch)
        one, other = MemoryBudget(10), MemoryBudget(10)
        runs.function(budget=one)(paying)
        runs.function(budget=other)(also_paying)
        workers.append((runs, one))
    (first, budget), (second, _) = workers
    assert await state(first, paying, 6) == "completed"
    assert await state(second, paying, 6) == "limited"
    assert await state(first, also_paying, 6) == "completed"  # a budget of its own
    assert await budget.reserve("ada", 1) == 0


@pytest.mark.rule("R26")
async def test_a_budget_that_only_starts_have_counts_in_each_worker_and_a_warning_says_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    runs, budget = begun(0, tmp_path, monkeypatch), MemoryBudget(10)
    caplog.set_level(logging.WARNING, "hubline.runs")
    caplog.clear()
    await state(runs, paying, 1, budget=MemoryBudget(10))  # of one run
    await state(runs, paying, 1, budget=budget)
    assert caplog.messages == []
    for _ in range(3):
        assert await state(runs, paying, 1, budget=budget) == "completed"
    assert len(caplog.messages) == 1
    assert "counts in each worker: its limit holds 2 times" in caplog.text


@pytest.mark.rule("R26")
async def test_workers_count_budgets_of_one_name_together_wherever_they_are_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "hubline.runs")
    first = begun(0, tmp_path, monkeypatch)
    assert await state(first, paying, 4, budget=MemoryBudget(10, name="free")) == "completed"
    assert await state(first, also_paying, 2, budget=MemoryBudget(10, name="free")) == "completed"
    second = begun(1, tmp_path, monkeypatch)
    assert await state(second, paying, 6, budget=MemoryBudget(10, name="free")) == "limited"
    assert await state(second, paying, 6, budget=MemoryBudget(10, name="paid")) == "completed"
    assert "MemoryBudget" not in caplog.text


async def test_budgets_of_one_name_share_a_file_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A budget may be made for each run."""
    begun(0, tmp_path, monkeypatch)
    first, second, other = (MemoryBudget(limit, name="free") for limit in (10, 10, 20))
    assert first._shared is second._shared is not None
    assert first._shared is not other._shared


async def test_a_process_that_serves_alone_counts_in_memory(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(_worker, "current", None)
    runs, budget = Runs(), MemoryBudget(10)
    runs.function(budget=budget)(paying)
    for _ in range(2):
        assert await state(runs, paying, 4, budget=budget) == "completed"
    assert (await budget.charge("ada", 0)).left == 2
    assert "MemoryBudget" not in caplog.text
