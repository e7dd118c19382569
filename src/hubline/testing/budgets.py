"""The conformance suite for budgets: the guarantees for runs that charge them."""

import asyncio
from contextlib import AbstractAsyncContextManager

from hubline.runs import Budget

ACCOUNTS = ("", "ada", "Ada", "ada ", "a}b", "{a", "%7Ba", "ada:tokens", "\U0001f469")


class BudgetSuite:
    """The tests that every `hubline.runs.Budget` must pass.

    Subclass it as `TestMyBudget` and override `budget`. The tests are `async def`, for pytest-asyncio in its mode
    `auto`.
    """

    def budget(self, limit: int) -> AbstractAsyncContextManager[Budget]:
        """Yield an unused budget of this many tokens for each account, in a window longer than the test."""
        raise NotImplementedError("override `budget`")

    async def test_as_much_is_reserved_as_there_is(self) -> None:
        async with self.budget(10) as budget:
            assert [await budget.reserve("ada", 4) for _ in range(4)] == [4, 4, 2, 0]

    async def test_what_is_charged_is_gone_and_what_is_left_is_told(self) -> None:
        async with self.budget(10) as budget:
            balance = await budget.charge("ada", 3)
            assert (balance.limit, balance.left) == (10, 7)
            assert await budget.reserve("ada", 100) == 7
            assert (await budget.charge("ada", 5, reserved=5)).left == 0
            await budget.release("ada", 2)
            assert (await budget.charge("ada", 0)).left == 2

    async def test_what_is_reserved_and_charged_counts_once(self) -> None:
        async with self.budget(10) as budget:
            assert await budget.reserve("ada", 6) == 6
            assert (await budget.charge("ada", 4, reserved=4)).left == 4
            assert (await budget.charge("ada", 1)).left == 3

    async def test_the_limit_may_be_exceeded_once(self) -> None:
        async with self.budget(10) as budget:
            assert (await budget.charge("ada", 25)).left == 0
            assert await budget.reserve("ada", 1) == 0

    async def test_what_is_given_back_may_be_used(self) -> None:
        async with self.budget(10) as budget:
            assert await budget.reserve("ada", 10) == 10
            await budget.release("ada", 10)
            assert await budget.reserve("ada", 10) == 10

    async def test_no_account_is_taken_for_another(self) -> None:
        async with self.budget(100) as budget:
            for number, account in enumerate(ACCOUNTS, 1):
                assert (await budget.charge(account, number)).left == 100 - number

    async def test_of_many_that_reserve_at_once_each_token_is_granted_once(self) -> None:
        async with self.budget(25) as budget:
            granted = await asyncio.gather(*(budget.reserve("ada", 2) for _ in range(20)))
            assert sum(granted) == 25
            await asyncio.gather(*(budget.charge("ada", each, reserved=each) for each in granted))
            assert (await budget.charge("ada", 0)).left == 0
