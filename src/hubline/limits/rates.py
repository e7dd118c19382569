"""How often a method may be called: `@filtered(RateLimit("20/second", per="user"))`.

The arithmetic is that of a token bucket and comes from pyrate-limiter. This module decides whose calls are counted
together, how long callers are remembered, and when a connection is closed (docs/decisions/rate-limits.md).
"""

import logging
import re
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from pyrate_limiter import Duration, Rate, TokenBucket

from hubline import HubCallerContext, HubFilter, InvocationContext
from hubline._mistakes import Mistakes
from hubline.errors import RateLimitExceeded

logger = logging.getLogger("hubline.limits")

Per: TypeAlias = Literal["connection", "user", "address"]

MAXIMUM_CALLERS = 100_000
"""Users or addresses that one `RateLimit` remembers, those that called last: about 30 MB. Ours.

A caller that is forgotten too early starts again with a full bucket.
"""

_UNITS = {unit.name.lower(): unit for unit in Duration if unit is not Duration.WEEK}
_FASTEST = 1_000_000
"""Calls a second. A bucket counts in whole microseconds."""

_BUCKET = TokenBucket()


@dataclass(slots=True)
class Caller:
    """The state of one caller: its bucket, and how often it was refused in the current window."""

    bucket: tuple[float, ...]
    seen: float = 0.0
    refusals: int = 0
    window: float = 0.0
    """When the window in which refusals are counted began."""


class RateLimit(HubFilter):
    """Refuses calls that come too often, before the method runs. For a hub, a method, or a whole app.

    `rate` is `"20/second"`, or per `minute`, `hour` or `day`: the calls that are allowed over a long time. `burst` is
    how many calls may come at once after a pause, by default the number of the rate. A stream or an upload counts once,
    when it is called. `per` says whose calls are counted together: those of a connection, of a user (strangers are
    counted by address), or of an address (of IPv6, the /64). One object counts the calls of all methods it is used on.

    Refused calls raise `RateLimitExceeded`. A connection is closed at the `close_after`-th refused call within one
    second, minute, hour or day (the time of the rate), and at each further refused call until that time is over.

    Raises:
        ConfigurationError: the rate or one of the numbers is not valid.
    """

    def __init__(self, rate: str, *, per: Per, burst: int | None = None, close_after: int | None = None) -> None:
        number, unit = _parsed(rate, per, burst, close_after)
        self.rate, self.per, self.close_after = rate, per, close_after
        self._rates = [Rate(number, unit, burst)]
        self._window = int(unit) / 1000
        self._memory = max(self._window, self._window * self._rates[0].burst / number)
        """Seconds without a call after which the state of a caller is the same as that of a new one."""
        self._callers: OrderedDict[str, Caller] = OrderedDict()

    def __len__(self) -> int:
        """How many users or addresses are remembered. With `per="connection"`, the connection keeps the state."""
        return len(self._callers)

    async def invoke(self, call: InvocationContext, next: Any) -> Any:
        """Let the call through, or refuse it."""
        now = call.clock.now()
        caller = self._caller(call.context, now)
        caller.bucket, decision = _BUCKET.step(self._rates, caller.bucket, round(now * 1000), 1)
        if decision.allowed:
            return await next(call)
        if self.close_after is not None:
            self._refused(caller, call, self.close_after, now)
        raise RateLimitExceeded((decision.retry_after_ms or 0) / 1000)

    def _caller(self, context: HubCallerContext, now: float) -> Caller:
        if self.per == "connection":
            caller: Caller | None = context.items.get(self)
            if caller is None:
                caller = context.items[self] = Caller(_BUCKET.initial(self._rates))
        else:
            key = self._key(context)
            caller = self._callers.get(key)
            if caller is None:
                caller = self._callers[key] = Caller(_BUCKET.initial(self._rates))
            self._callers.move_to_end(key)
            caller.seen = now
            self._forget(now)
        return caller

    def _key(self, context: HubCallerContext) -> str:
        if self.per == "user" and context.user_id is not None:
            return f"user {context.user_id}"
        return f"address {context.scope.network}"

    def _forget(self, now: float) -> None:
        """Remove two callers that have been silent long enough. Each call does it, so the table shrinks again."""
        for _ in range(2):
            _, oldest = next(iter(self._callers.items()))
            if len(self._callers) <= MAXIMUM_CALLERS and now - oldest.seen < self._memory:
                return
            self._callers.popitem(last=False)

    def _refused(self, caller: Caller, call: InvocationContext, close_after: int, now: float) -> None:
        if now - caller.window >= self._window or not caller.refusals:
            caller.window, caller.refusals = now, 0
        caller.refusals += 1
        if caller.refusals == close_after:  # logged once in each window
            text = "connection %s: closed after %d refused calls, the last to %s (%s per %s)"
            logger.info(text, call.context.connection_id, close_after, call.method, self.rate, self.per)
        if caller.refusals >= close_after:
            call.context.abort()


def _parsed(rate: Any, per: Any, burst: Any, close_after: Any) -> tuple[int, Duration]:
    mistakes = Mistakes("RateLimit")
    found = re.fullmatch(rf"([0-9]{{1,9}})/({'|'.join(_UNITS)})", rate if isinstance(rate, str) else "")
    number, unit = (int(found[1]), _UNITS[found[2]]) if found else (0, Duration.SECOND)
    if not found or not 0 < number <= _FASTEST * int(unit) // 1000:
        mistakes.found.append(
            f"RateLimit: {rate!r} is not a rate: write a number from 1 on, `/` and one of {', '.join(_UNITS)}, "
            "as `20/second`"
        )
    mistakes.one_of("per", per, get_args(Per))
    mistakes.whole("burst", burst, least=1, optional=True)
    mistakes.whole("close_after", close_after, least=1, optional=True)
    mistakes.tell()
    return number, unit
