"""The memory log keeps what every log must, and the suite finds a log that does not."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from hubline.runs import MemoryRunLog, RunLog
from hubline.testing import RunLogSuite


class TestMemoryRunLog(RunLogSuite):
    @asynccontextmanager
    async def log(self, entries: int) -> AsyncIterator[RunLog]:
        yield MemoryRunLog(entries)


class Wrong(MemoryRunLog):
    """A log with one mistake."""

    def __init__(self, mistake: str, entries: int) -> None:
        super().__init__(10**6 if mistake == "fold" else entries)
        self.mistake = mistake

    async def append(self, run_id: str, bodies: Sequence[dict[str, Any]], *, fence: int = 1) -> None:
        bodies = bodies[::-1] if self.mistake == "order" else bodies
        if self.mistake == "fence":
            fence = 10**9
        if self.mistake == "late":
            bodies = bodies[:-1] if len(bodies) == 1 else bodies
        await super().append(run_id, bodies, fence=fence)

    async def create(self, run_id: str, *, fence: int = 1) -> None:
        await super().create(run_id, fence=fence)
        if self.mistake == "epoch":
            self._logs[run_id].epoch = "same"

    async def claim(self, run_id: str, *, fence: int) -> None:
        if self.mistake == "claim":
            self._fences[run_id] = fence
        else:
            await super().claim(run_id, fence=fence)

    async def remove(self, run_id: str) -> None:
        if self.mistake != "remove":
            await super().remove(run_id)


@pytest.mark.parametrize(
    ("mistake", "test"),
    [
        ("order", RunLogSuite.test_entries_are_read_in_the_order_in_which_they_were_appended),
        ("late", RunLogSuite.test_a_follower_has_what_was_appended_when_the_append_returns),
        ("fold", RunLogSuite.test_past_its_entries_a_log_drops_the_older_half_and_keeps_what_they_said),
        ("epoch", RunLogSuite.test_a_log_that_begins_anew_has_another_epoch),
        ("fence", RunLogSuite.test_who_was_replaced_cannot_write),
        ("claim", RunLogSuite.test_a_run_is_claimed_with_a_greater_number_only),
        ("remove", RunLogSuite.test_a_log_that_is_removed_is_gone_and_leaves_its_followers_what_they_had),
    ],
)
async def test_a_wrong_log_is_found(mistake: str, test: Any) -> None:
    class Suite(RunLogSuite):
        @asynccontextmanager
        async def log(self, entries: int) -> AsyncIterator[RunLog]:
            yield Wrong(mistake, entries)

    with pytest.raises(AssertionError):
        await test(Suite())


async def test_a_suite_without_a_log_says_so() -> None:
    with pytest.raises(NotImplementedError, match="override `log`"):
        await RunLogSuite().test_a_run_has_one_log()


@pytest.mark.rule("R20")
async def test_folding_costs_constant_time_per_entry_and_never_more_than_its_entries_are_kept() -> None:
    log = MemoryRunLog(64)
    await log.create("run")
    async with log.follow("run") as tape:
        copied = 0
        for _ in range(2_000):
            before = tape.base
            await log.append("run", [{"kind": "text", "part": "1", "text": "x"}])
            copied += 0 if tape.base == before else tape.end - tape.base
            assert tape.end - tape.base <= 64
        assert copied <= 2 * 2_000
        assert tape.parts.text() == "x" * 2_000
