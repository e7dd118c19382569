"""Usage in the database does what the library asks of every store of usage."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import date, timedelta

import pytest

from hubline.limits import UsageStore
from hubline.testing import UsageStoreSuite
from hubline_chat.store import Store

TODAY = date(2026, 11, 25)


class TestUsage(UsageStoreSuite):
    @pytest.fixture(autouse=True)
    def _urls(self, new_url: Callable[[], str]) -> None:
        self.new_url = new_url

    def store(self) -> AbstractAsyncContextManager[UsageStore]:
        @asynccontextmanager
        async def opened() -> AsyncIterator[UsageStore]:
            store = Store(self.new_url())
            await store.open()
            try:
                yield store.usage
            finally:
                await store.close()

        return opened()


async def test_usage_of_long_ago_is_forgotten(store: Store) -> None:
    for days in range(3):
        await store.usage.add("ada", TODAY - timedelta(days=days), 5)
    await store.usage.forget(TODAY - timedelta(days=1))
    assert [await store.usage.used("ada", TODAY - timedelta(days=days)) for days in range(3)] == [5, 5, 0]


async def test_what_answers_have_cost_is_added_up_beside_their_tokens(store: Store) -> None:
    await store.usage.pay("ada", TODAY, 3_000_000_000)
    await store.usage.add("ada", TODAY, 5)
    await store.usage.pay("ada", TODAY, 7)
    assert (await store.usage.used("ada", TODAY), await store.usage.paid("ada", TODAY)) == (5, 3_000_000_007)
    assert await store.usage.paid("ada", TODAY - timedelta(days=1)) == 0
    assert await store.usage.paid("bob", TODAY) == 0
