"""Conformance suites for interfaces that applications implement. Subclass one, and pytest runs its tests."""

import asyncio
from contextlib import AbstractAsyncContextManager
from datetime import date, timedelta

from hubline.limits import QuestionsAtOnce, UsageStore

TODAY = date(2026, 11, 25)
ODD_USERS = ("", "Ada", "ada", "ada ", "Ada's; --", "Ada%", "\u0430da", "\U0001f469\u200d\U0001f4bb", "a" * 200)


class UsageStoreSuite:
    """The tests that every `hubline.limits.UsageStore` must pass.

    Subclass it as `TestMyStore` and override `store`. The tests are `async def`, for pytest-asyncio in its mode `auto`.
    """

    def store(self) -> AbstractAsyncContextManager[UsageStore]:
        """Yield an empty store, which is used while the block runs."""
        raise NotImplementedError("override `store`")

    async def test_of_users_and_days_never_seen_nothing_is_used(self) -> None:
        async with self.store() as store:
            assert await store.used("ada", TODAY) == 0

    async def test_adding_tells_the_new_total(self) -> None:
        async with self.store() as store:
            assert [await store.add("ada", TODAY, tokens) for tokens in (5, 0, 7)] == [5, 5, 12]
            assert await store.used("ada", TODAY) == 12

    async def test_each_day_begins_at_nothing_and_the_day_before_is_still_known(self) -> None:
        tomorrow = TODAY + timedelta(days=1)
        async with self.store() as store:
            await store.add("ada", TODAY, 5)
            assert await store.add("ada", tomorrow, 1) == 1
            assert await store.add("ada", TODAY, 1) == 6
            assert await store.used("ada", tomorrow) == 1

    async def test_no_user_is_taken_for_another(self) -> None:
        async with self.store() as store:
            for number, user in enumerate(ODD_USERS, 1):
                assert await store.add(user, TODAY, number) == number
            assert [await store.used(user, TODAY) for user in ODD_USERS] == [*range(1, len(ODD_USERS) + 1)]

    async def test_of_many_that_add_at_once_none_is_lost_and_each_sees_a_total_of_its_own(self) -> None:
        async with self.store() as store:
            totals = await asyncio.gather(*(store.add("ada", TODAY, 1) for _ in range(50)))
            assert sorted(totals) == [*range(1, 51)]
            assert await store.used("ada", TODAY) == 50

    async def test_totals_may_exceed_32_bits(self) -> None:
        async with self.store() as store:
            await store.add("ada", TODAY, 3_000_000_000)
            assert await store.add("ada", TODAY, 3_000_000_000) == 6_000_000_000


class QuestionsSuite:
    """The tests that every `hubline.limits.QuestionsAtOnce` must pass. Subclass it and override `questions`."""

    def questions(self) -> AbstractAsyncContextManager[QuestionsAtOnce]:
        """Yield one without questions, which is used while the block runs."""
        raise NotImplementedError("override `questions`")

    async def test_so_many_at_once_and_a_place_is_free_again(self) -> None:
        async with self.questions() as questions:
            tickets = [await questions.enter("ada", 2) for _ in range(3)]
            assert [ticket is None for ticket in tickets] == [False, False, True]
            assert tickets[0] is not None
            await questions.leave("ada", tickets[0])
            assert [await questions.enter("ada", 2) is None for _ in range(2)] == [False, True]

    async def test_no_place_is_no_question(self) -> None:
        async with self.questions() as questions:
            assert await questions.enter("ada", 0) is None

    async def test_users_do_not_take_places_from_each_other(self) -> None:
        async with self.questions() as questions:
            for user in ODD_USERS:
                assert await questions.enter(user, 1) is not None

    async def test_of_many_at_once_each_place_is_given_once(self) -> None:
        async with self.questions() as questions:
            tickets = await asyncio.gather(*(questions.enter("ada", 5) for _ in range(20)))
            assert sum(ticket is not None for ticket in tickets) == 5
