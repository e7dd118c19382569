"""Quotas of all servers, in Redis or Valkey. Needs the extra `redis`."""

from datetime import date

from redis.asyncio import Redis, RedisCluster

from hubline._clock import Clock
from hubline._mistakes import Mistakes
from hubline.backplanes.redis_asking import Asking
from hubline.backplanes.redis_commands import Script, check_prefix
from hubline.limits.shared_usage import KEPT, SharedUsage

__all__ = ["RedisUsage"]

ADD = Script("""
local total = redis.call('INCRBY', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return total
""")
"""day of a user; tokens, life in ms."""

USED = Script("return tonumber(redis.call('GET', KEYS[1]) or 0)")
"""day of a user."""

ENTER = Script("""
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
if tonumber(ARGV[3]) > 0 and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[3])
  and not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 0 end
redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[2]), ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
""")
"""questions of a user; ticket, lease in ms, how many there may be: 0 for one that is renewed."""


class RedisUsage(SharedUsage):
    """A `UsageStore` and `QuestionsAtOnce` of all servers: `Quotas(usage, questions=usage)`.

    `redis` is an address or a client, as `hubline.backplanes.redis.RedisBackplane` takes it. `prefix` precedes the
    names of all keys: quotas with different ones are counted separately.

    Days are kept for three days after their last use. A question whose server has gone counts for `lease` seconds more.
    When Redis does not answer, calls raise BackplaneError; then it is unknown whether tokens were added.

    Raises:
        ConfigurationError: lists every value that is not valid.
    """

    def __init__(
        self,
        redis: str | Redis | RedisCluster = "redis://localhost:6379",
        *,
        prefix: str = "",
        lease: float = 10.0,
        clock: Clock | None = None,
    ) -> None:
        mistakes = Mistakes("RedisUsage")
        super().__init__(mistakes, lease=lease, clock=clock)
        check_prefix(mistakes, prefix)
        mistakes.tell()
        self._asking = Asking(redis, self._clock, prefix)

    async def used(self, user_id: str, day: date) -> int:
        """The tokens of this user on this day. Raises BackplaneError."""
        commands = await self._asking.commands()
        return int(await commands.run(USED, [_day(user_id, day)]))

    async def add(self, user_id: str, day: date, tokens: int) -> int:
        """Add tokens; the new total. Raises BackplaneError."""
        commands = await self._asking.commands()
        return int(await commands.run(ADD, [_day(user_id, day)], tokens, KEPT))

    async def _enter(self, user_id: str, ticket: str, most: int) -> bool:
        commands = await self._asking.commands()
        return bool(await commands.run(ENTER, [_questions(user_id)], ticket, self._counted, most))

    async def _leave(self, user_id: str, ticket: str) -> None:
        commands = await self._asking.commands()
        await commands.call("ZREM", _questions(user_id), ticket)

    async def _close(self) -> None:
        await self._asking.close()


def _day(user_id: str, day: date) -> str:
    return f"hubline:usage:{day.isoformat()}:{user_id}"


def _questions(user_id: str) -> str:
    return f"hubline:questions:{user_id}"
