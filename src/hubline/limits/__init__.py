"""Rate limits for calls, and daily quotas by a user's tier.

`RateLimit` is imported when it is first used, because it needs the extra `limits`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from hubline.errors import QuotaExceeded, RateLimitExceeded
from hubline.limits.quotas import (
    Left,
    MemoryQuestions,
    MemoryUsage,
    Question,
    QuestionsAtOnce,
    Quotas,
    Tier,
    UsageStore,
)

if TYPE_CHECKING:
    from hubline.limits.rates import RateLimit

__all__ = [
    "Left",
    "MemoryQuestions",
    "MemoryUsage",
    "Question",
    "QuestionsAtOnce",
    "QuotaExceeded",
    "Quotas",
    "RateLimit",
    "RateLimitExceeded",
    "Tier",
    "UsageStore",
]


def __getattr__(name: str) -> Any:
    if name == "RateLimit":
        return import_module("hubline.limits.rates").RateLimit
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
