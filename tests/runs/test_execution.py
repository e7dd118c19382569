"""Functions and `on_end` that raise whatever Python can raise: a run that failed, and never the end of the process."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from hubline import HubError
from hubline.runs import FinishedRun, MemoryBudget, Run
from hubline.testing import settle
from tests.runs.viewer import clocked, collect


class Panic(BaseException):
    """What a library in another language raises when it has lost its way."""


FAILURES: list[type[BaseException]] = [SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError, Panic]


async def coroutine(run: Run, kind: type[BaseException]) -> None:
    await run.text("kept")
    raise kind


async def generator(run: Run, kind: type[BaseException]) -> AsyncIterator[str]:
    yield "kept"
    raise kind


def plain_generator(run: Run, kind: type[BaseException]) -> Iterator[str]:
    yield "kept"
    raise kind


def plain(run: Run, kind: type[BaseException]) -> str:
    raise kind


@pytest.mark.rule("R6", "R27")
async def test_names_with_halves_of_characters_keep_no_run_from_its_end() -> None:
    async def answer(run: Run) -> None:
        run.usage(model="caf\udce9", tokens=1)  # as `os.fsdecode` makes them of bytes that are no UTF-8
        raise HubError("There is no caf\udce9.")

    runs, _ = clocked()
    page = await collect(runs.attach((await runs.start(answer)).id))
    assert page.end is not None
    assert (page.end["error"], page.end["usage"]) == ("There is no caf\ufffd.", [{"model": "caf\ufffd", "tokens": 1}])


@pytest.mark.rule("R6")
@pytest.mark.parametrize("kind", FAILURES)
@pytest.mark.parametrize("function", [coroutine, generator, plain_generator, plain])
async def test_whatever_a_function_raises_its_run_has_failed(
    function: Callable[..., Any], kind: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    told: list[FinishedRun] = []

    async def on_end(run: FinishedRun) -> None:
        told.append(run)

    runs, _ = clocked(on_end=on_end)
    run = await runs.start(function, kind)
    page = await collect(runs.attach(run.id))
    await settle()
    assert page.end is not None
    assert (page.end["state"], page.end["error"]) == ("failed", "The run failed because of an error on the server.")
    assert page.text == ("" if function is plain else "kept")
    assert [each.info.state for each in told] == ["failed"]
    (line,) = caplog.records
    assert (line.levelno, line.getMessage()) == (logging.ERROR, f"run {run.id}: its function failed")
    assert runs.statistics()["active"] == 0


@pytest.mark.rule("R6")
async def test_a_plain_function_that_raises_stop_iteration_has_failed_too() -> None:
    runs, _ = clocked(detailed_errors=True)
    page = await collect(runs.attach((await runs.start(plain, StopIteration)).id))
    assert page.end is not None
    assert page.end["error"] == "RuntimeError: a plain function raised StopIteration"


@pytest.mark.rule("R15")
@pytest.mark.parametrize("kind", FAILURES)
async def test_whatever_on_end_raises_it_is_tried_again(
    kind: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    told: list[FinishedRun] = []

    async def on_end(run: FinishedRun) -> None:
        told.append(run)
        raise kind

    runs, clock = clocked(on_end=on_end, keep=1)
    run = await runs.start(generator, RuntimeError)
    await run.wait()
    await clock.advance(10)
    assert [each.text for each in told] == ["kept"] * 3
    assert [line.getMessage() for line in caplog.records[1:]] == [f"run {run.id}: on_end failed"] * 3
    assert len(runs._settings.log) == 0  # type: ignore[arg-type]
    assert runs.statistics()["tasks"] == 0


@pytest.mark.rule("R15", "R26")
async def test_a_budget_that_cannot_take_back_does_not_keep_on_end_from_being_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(MemoryBudget):
        async def release(self, account: str, tokens: int) -> None:
            raise Panic("lost")

    told: list[FinishedRun] = []

    async def on_end(run: FinishedRun) -> None:
        told.append(run)

    async def short(run: Run) -> None:
        await run.text("a")

    runs, _ = clocked(on_end=on_end)
    run = await runs.start(short, budget=Broken(100), reserve=10)
    await run.wait()
    await settle()
    assert [each.text for each in told] == ["a"]
    assert [line.getMessage() for line in caplog.records] == [f"run {run.id}: reserved tokens could not be released"]
