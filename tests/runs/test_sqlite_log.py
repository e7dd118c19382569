"""The log in SQLite keeps what every log must."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from hubline.runs import RunLog, RunRegistry
from hubline.runs.sqlite_log import SQLiteRunLog
from hubline.testing import RunLogSuite, RunRegistrySuite
from tests.valkey import LIMIT


class TestSQLiteRunLog(RunLogSuite):
    @pytest.fixture(autouse=True)
    def _path(self, tmp_path: Path) -> None:
        self.path = tmp_path / "runs.sqlite"

    @asynccontextmanager
    async def log(self, entries: int) -> AsyncIterator[RunLog]:
        log = SQLiteRunLog(self.path, entries=entries)
        try:
            yield log
        finally:
            await log.close()


class TestSQLiteRegistry(RunRegistrySuite):
    @pytest.fixture(autouse=True)
    def _path(self, tmp_path: Path) -> None:
        self.path = tmp_path / "runs.sqlite"

    @asynccontextmanager
    async def registries(self, count: int) -> AsyncIterator[Sequence[RunRegistry]]:
        logs = [SQLiteRunLog(self.path) for _ in range(count)]
        try:
            yield [log.registry for log in logs]
        finally:
            for log in logs:
                await log.close()


async def test_a_new_file_that_another_process_writes_to_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite's own handler does not wait there, so one of several workers that make the file together failed."""
    waits, pause = threading.Event(), time.sleep

    def noticed(seconds: float) -> None:
        waits.set()
        pause(seconds)

    monkeypatch.setattr(time, "sleep", noticed)
    log = SQLiteRunLog(tmp_path / "runs.sqlite")
    with closing(sqlite3.connect(tmp_path / "runs.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        listing = asyncio.create_task(log.listed("rooms:r"))
        assert await asyncio.to_thread(waits.wait, LIMIT)
        other.execute("COMMIT")
    assert await listing == []
    await log.close()
