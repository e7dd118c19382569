"""Limits of attempts: token buckets by name and by address."""

import time
from collections import OrderedDict
from collections.abc import Callable

from pyrate_limiter import Duration, Rate, TokenBucket

from hubline_chat.accounts.errors import too_many

KEPT = 20_000
"""Names or addresses that are remembered, those that tried last."""

_BUCKET = TokenBucket()


class Attempts:
    """At most `burst` at once of one key, and `per_hour` of them in the long run."""

    def __init__(self, burst: int, per_hour: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rates = [Rate(per_hour, Duration.HOUR, burst)]
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, ...]] = OrderedDict()

    def take(self, key: str) -> None:
        """Count an attempt.

        Raises:
            AccountError: there were too many; the text has the time to wait.
        """
        bucket = self._buckets.get(key) or _BUCKET.initial(self._rates)
        bucket, decision = _BUCKET.step(self._rates, bucket, round(self._clock() * 1000), 1)
        self._buckets[key] = bucket
        self._buckets.move_to_end(key)
        if len(self._buckets) > KEPT:
            self._buckets.popitem(last=False)
        if not decision.allowed:
            raise too_many((decision.retry_after_ms or 0) / 1000)

    def forget(self, key: str) -> None:
        """The attempt succeeded: earlier attempts no longer count."""
        self._buckets.pop(key, None)
