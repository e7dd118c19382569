"""A server that begins."""

import logging
from pathlib import Path

import pytest

from hubline import HubApp
from hubline.runs import Runs, RunsHub
from hubline.runs.sqlite_log import SQLiteRunLog
from hubline.testing import ManualClock
from tests.valkey import until


async def test_a_log_that_cannot_be_used_is_told_at_the_start_and_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "hubline.runs")
    clock, path = ManualClock(), tmp_path / "missing" / "runs.sqlite"

    class Answers(RunsHub):
        hubline_runs = Runs(log=SQLiteRunLog(path), clock=clock)

    app = HubApp({"/chat": Answers})

    async with app.lifespan(app):
        await until_said(caplog, "no answers can be started until the log of runs can be used: ")
        await clock.advance(60)
        path.parent.mkdir()

        async def used() -> bool:
            await clock.advance(60)
            return "the log of runs can be used now" in caplog.messages

        await until(used)
    assert len(caplog.messages) == 2


async def until_said(caplog: pytest.LogCaptureFixture, text: str) -> None:
    async def said() -> bool:
        return any(message.startswith(text) for message in caplog.messages)

    await until(said)
