"""Budgets of runs: tokens of a starter within a window of time."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Balance:
    """The state of an account."""

    limit: int
    """The limit in tokens."""
    left: int
    """Tokens that are neither used nor reserved; never negative."""


class Budget(Protocol):
    """Counts tokens by account: the starter's user id, and `""` for all anonymous users together.

    Each call is atomic: of two that reserve the last tokens at once, one gets them.
    """

    async def reserve(self, account: str, tokens: int) -> int:
        """Reserve tokens for a run that begins, as far as there are any. Returns their number, 0 if none are left."""

    async def charge(self, account: str, tokens: int, *, reserved: int = 0) -> Balance:
        """Count used tokens, of which `reserved` were reserved. The limit may be exceeded once."""

    async def release(self, account: str, tokens: int) -> None:
        """Return reserved tokens that were not used."""
