"""Each person's allowance for the assistant: questions at once, and tokens of the day.

An answer costs the tokens that its model reports, with those of the conversation. For a stopped answer models report
nothing, so four characters count as a token. An answer that failed, or that the end of the server interrupted, costs
nothing. While an answer grows, its tokens are only reserved.
"""

from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from datetime import UTC, date, datetime

from hubline import HubError
from hubline.limits import QuotaExceeded, Quotas, Tier
from hubline.runs import Balance
from hubline_chat.catalogue import MICRO
from hubline_chat.contract import Budget
from hubline_chat.settings import ChatSettings
from hubline_chat.store import User
from hubline_chat.store.usage import Usage

CHARACTERS = 4
"""Characters that count as a token. Roughly right for English; other scripts cost more with a model that reports."""
STEP = 16
"""Tokens that are reserved at a time. An answer exceeds the day's budget by at most this number."""


class Ticket:
    """A question that was admitted: counted among the open ones until it is closed, and the budget of its run."""

    def __init__(self, allowance: "Allowance", user: User, tier: Tier, stack: AsyncExitStack) -> None:
        self.user = user
        self._allowance, self._tier, self._stack = allowance, tier, stack
        self._held = 0
        self.cost = 0
        """What its answer has cost, in millionths of the currency; it is counted with the tokens."""
        self.is_used_up = False
        """Whether there were fewer tokens than the answer needed."""

    async def reserve(self, account: str, tokens: int) -> int:
        """Reserve tokens, as far as there are any."""
        left, held = (await self._allowance.quotas.left(self.user.id, self._tier)).tokens, self._allowance.held
        if left is not None:
            there = max(0, left - held[self.user.id])
            self.is_used_up = self.is_used_up or there < tokens
            tokens = min(tokens, there)
        held[self.user.id] += tokens
        self._held += tokens
        return tokens

    async def release(self, account: str, tokens: int) -> None:
        """Reserved tokens stay reserved until the answer is paid, so that no other answer uses them."""

    async def charge(self, account: str, tokens: int, *, reserved: int = 0) -> Balance:
        """Charge the cost of the answer, and release the tokens that were reserved for it."""
        quotas, user_id, tier = self._allowance.quotas, self.user.id, self._tier
        try:
            if tokens:
                with suppress(QuotaExceeded):  # they are counted all the same
                    await quotas.spend(user_id, tier, tokens)
            if self.cost:
                cost, self.cost = self.cost, 0
                await self._allowance.usage.pay(user_id, self._allowance.today, cost)
        finally:
            self._allowance.free(user_id, self._held)
            self._held = 0
            self._allowance.spent(user_id)
        left = (await quotas.left(user_id, tier)).tokens
        return Balance(tier.tokens_per_day or 0, left or 0)

    async def close(self) -> None:
        """The answer has ended: another question may be asked."""
        await self._stack.aclose()

    async def cut(self) -> str:
        """Why an answer was ended early, as a sentence."""
        left = await self._allowance.quotas.left(self.user.id, self._tier)
        return (
            f"Your {self._tier.tokens_per_day:,} tokens of today are used up, so the answer ends here."
            f"{_more(left.resets_at)}"
        )


class Allowance:
    """Admits questions, and reports the remaining tokens. `spent` is called with each user who is charged."""

    def __init__(
        self,
        usage: Usage,
        settings: ChatSettings,
        spent: Callable[[str], None],
        *,
        has_prices: bool = False,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        self.usage, self.quotas, self.spent = usage, Quotas(usage, now=now), spent
        self._has_prices, self._now = has_prices, now or (lambda: datetime.now(UTC))
        self.held: Counter[str] = Counter()
        """Tokens that are reserved for answers in progress, by user."""
        self._settings = settings

    async def admit(self, user: User) -> Ticket:
        """Count a question of this user as open. Close its ticket, whatever happens.

        Raises:
            HubError: the day's tokens are used up, or too many questions are open.
        """
        stack, tier = AsyncExitStack(), self._settings.tier(user.tier)
        try:
            await stack.enter_async_context(self.quotas.question(user.id, tier))
        except QuotaExceeded as error:
            raise HubError(refusal(error)) from None
        return Ticket(self, user, tier, stack)

    def free(self, user_id: str, tokens: int) -> None:
        """Release reserved tokens."""
        self.held[user_id] -= tokens
        if not self.held[user_id]:
            del self.held[user_id]

    async def budget(self, user: User) -> Budget:
        """The remaining tokens of the user for today."""
        tier = self._settings.tier(user.tier)
        left = await self.quotas.left(user.id, tier)
        cost = await self.usage.paid(user.id, self.today) / MICRO if self._has_prices else None
        return Budget(tier.tokens_per_day, left.tokens, left.resets_at, tier.questions_at_once, cost)

    @property
    def today(self) -> date:
        """The day of the allowance, in UTC."""
        return self._now().astimezone(UTC).date()


def refusal(error: QuotaExceeded) -> str:
    """Why a user may not ask, as a sentence."""
    if error.limit == 0:
        return "The assistant is not for your account. An administrator can change that."
    if error.kind == "questions" and error.limit == 1:
        return "A question of yours is open. Wait for its answer or stop it."
    if error.kind == "questions":
        return f"{error.limit} of your questions are open. Wait for an answer or stop one."
    return f"Your {error.limit:,} tokens of today are used up.{_more(error.resets_at)}"


def _more(resets_at: datetime | None) -> str:
    return "" if resets_at is None else f" There will be more at {resets_at:%H:%M} UTC."
