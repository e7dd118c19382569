"""What each person may have of the assistant: questions at once, and tokens of the day.

An answer costs what its model reports, the conversation it was told included. While it grows, and where a model reports
nothing (of a stopped answer none does), four characters count as a token.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from datetime import datetime

from hubline import HubError
from hubline.limits import Question, QuotaExceeded, Quotas, UsageStore
from hubline.models import Delta
from hubline.models import Message as Turn
from hubline_chat.contract import Budget
from hubline_chat.settings import ChatSettings
from hubline_chat.store import StoreError, User

logger = logging.getLogger("hubline_chat")

CHARACTERS = 4
"""Characters that count as a token. Roughly right for English; dearer scripts cost more with a model that reports."""
STEP = 16
"""Tokens that are stored together. An answer is at most this long beyond the day's budget."""


class Ticket:
    """A question that was admitted: counted among the open ones until it is released, and the meter of its answer."""

    def __init__(self, user: User, question: Question, stack: AsyncExitStack, spent: Callable[[str], None]) -> None:
        self.user = user
        self.paying = asyncio.Lock()
        """Held while tokens are being stored: who stops the answer waits for that, to tell what is left as it is."""
        self._question, self._stack, self._spent = question, stack, spent
        self._characters = 0
        self._total = 0
        self._stored = 0

    async def told(self, turns: Sequence[Turn]) -> None:
        """Count what the model is told. Raises QuotaExceeded."""
        self._characters += sum(len(turn.content) for turn in turns)
        await self._count(self._characters // CHARACTERS)

    async def heard(self, delta: Delta) -> None:
        """Count a piece of the answer. With the model's report, which comes at the end, all of it has been said.

        Raises:
            QuotaExceeded: with it, the tokens of the day are used up.
        """
        self._characters += len(delta.text)
        await self._count(self._characters // CHARACTERS)
        if delta.usage is not None:
            self._total = max(self._total, delta.usage.input_tokens + delta.usage.output_tokens)

    async def release(self) -> None:
        """The answer is at its end: another question may be asked."""
        await self._stack.aclose()

    async def settle(self) -> None:
        """Store what has not been stored of the answer's cost."""
        try:
            with suppress(QuotaExceeded):
                await self._store()
        except StoreError:
            logger.error("%d tokens of %s were not counted", self._total - self._stored, self.user.id)

    async def _count(self, total: int) -> None:
        self._total = max(self._total, total)
        if self._total - self._stored >= STEP:
            with suppress(StoreError):  # they are counted with the next ones
                await self._store()

    async def _store(self) -> None:
        async with self.paying:
            tokens = self._total - self._stored
            if tokens == 0:
                return
            self._stored += tokens  # before waiting: once begun, the store finishes it whoever is cancelled
            try:
                await self._question.spend(tokens)
            except StoreError:
                self._stored -= tokens
                raise
            finally:
                self._spent(self.user.id)


class Allowance:
    """Admits questions, and tells what is left. `spent` hears of whom tokens were counted."""

    def __init__(
        self,
        usage: UsageStore,
        settings: ChatSettings,
        spent: Callable[[str], None],
        *,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        self._quotas, self._settings, self._spent = Quotas(usage, now=now), settings, spent

    async def admit(self, user: User) -> Ticket:
        """Count a question of this user as open. Release its ticket, whatever happens.

        Raises:
            HubError: the day's tokens are used up, or too many questions are open.
        """
        stack = AsyncExitStack()
        try:
            question = await stack.enter_async_context(self._quotas.question(user.id, self._settings.tier(user.tier)))
        except QuotaExceeded as error:
            raise HubError(refusal(error)) from None
        return Ticket(user, question, stack, self._spent)

    async def budget(self, user: User) -> Budget:
        """What the user has left today."""
        tier = self._settings.tier(user.tier)
        left = await self._quotas.left(user.id, tier)
        return Budget(tier.tokens_per_day, left.tokens, left.resets_at, tier.questions_at_once)


def refusal(error: QuotaExceeded) -> str:
    """Why somebody may not ask, as a sentence."""
    if error.limit == 0:
        return "The assistant is not for your account. An administrator can change that."
    if error.kind == "questions" and error.limit == 1:
        return "A question of yours is open. Wait for its answer or stop it."
    if error.kind == "questions":
        return f"{error.limit} of your questions are open. Wait for an answer or stop one."
    return f"Your {error.limit:,} tokens of today are used up.{_more(error)}"


def cut(error: QuotaExceeded) -> str:
    """Why an answer ends before its end, as a sentence."""
    return f"Your {error.limit:,} tokens of today are used up, so the answer ends here.{_more(error)}"


def _more(error: QuotaExceeded) -> str:
    return "" if error.resets_at is None else f" There will be more at {error.resets_at:%H:%M} UTC."
