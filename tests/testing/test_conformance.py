"""The suites find what is wrong; that they pass what is right is shown where they are used."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date

import pytest

from hubline.limits import MemoryUsage, UsageStore
from hubline.testing import UsageStoreSuite


class Wrong(MemoryUsage):
    """A store with one mistake: `adding`, `days`, `users`, `races` or `width`."""

    def __init__(self, mistake: str) -> None:
        super().__init__()
        self.mistake = mistake

    async def used(self, user_id: str, day: date) -> int:
        return await super().used(*self._key(user_id, day))

    async def add(self, user_id: str, day: date, tokens: int) -> int:
        user_id, day = self._key(user_id, day)
        if self.mistake == "races":
            before = await self.used(user_id, day)
            await super().add(user_id, day, tokens)
            return before
        total = await super().add(user_id, day, tokens)
        return total % 2**32 if self.mistake == "width" else tokens if self.mistake == "adding" else total

    def _key(self, user_id: str, day: date) -> tuple[str, date]:
        return (
            user_id.lower() if self.mistake == "users" else user_id,
            date.min if self.mistake == "days" else day,
        )


@pytest.mark.parametrize(
    ("mistake", "test"),
    [
        ("adding", UsageStoreSuite.test_adding_tells_the_new_total),
        ("days", UsageStoreSuite.test_each_day_begins_at_nothing_and_the_day_before_is_still_known),
        ("users", UsageStoreSuite.test_no_user_is_taken_for_another),
        ("races", UsageStoreSuite.test_of_many_that_add_at_once_none_is_lost_and_each_sees_a_total_of_its_own),
        ("width", UsageStoreSuite.test_totals_may_exceed_32_bits),
    ],
)
async def test_a_wrong_store_is_found(mistake: str, test: object) -> None:
    class Suite(UsageStoreSuite):
        @asynccontextmanager
        async def store(self) -> AsyncIterator[UsageStore]:
            yield Wrong(mistake)

    assert callable(test)
    with pytest.raises(AssertionError):
        await test(Suite())


async def test_a_suite_without_a_store_says_so() -> None:
    with pytest.raises(NotImplementedError, match="override `store`"):
        await UsageStoreSuite().test_totals_may_exceed_32_bits()
