"""A budget that several servers share, in Redis or Valkey. Needs the extra `redis`."""

from redis.asyncio import Redis, RedisCluster

from hubline._clock import Clock
from hubline._mistakes import Mistakes
from hubline.backplanes.redis_asking import Asking
from hubline.backplanes.redis_commands import Script, check_prefix
from hubline.runs.redis_accounts import escaped
from hubline.runs.shared_budget import Report, SharedBudget

__all__ = ["RedisBudget"]

SETTLE = Script("""
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local fields, flat = {}, redis.call('HGETALL', KEYS[1])
for at = 1, #flat, 2 do fields[flat[at]] = flat[at + 1] end
local used, began = tonumber(fields.used or 0), tonumber(fields.began or now)
local limit, window, lease, outlived = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local holder = ARGV[1]
if now - began >= window then used, began = 0, now end
used = used + ARGV[3] - tonumber(fields['charged:' .. holder] or 0)
local others = 0
for field, value in pairs(fields) do
  local other = string.match(field, '^until:(.*)$')
  if other and other ~= holder then
    local lapsed = now - value
    if lapsed < 0 then others = others + tonumber(fields['reserved:' .. other]) end
    if lapsed > outlived then
      redis.call('HDEL', KEYS[1], 'until:' .. other, 'reserved:' .. other, 'charged:' .. other)
    end
  end
end
local granted = math.max(0, math.min(tonumber(ARGV[4]), limit - used - others - ARGV[2]))
local reserved = ARGV[2] + granted
local function whole(number) return string.format('%.0f', number) end
redis.call('HSET', KEYS[1], 'used', whole(used), 'began', whole(began), 'charged:' .. holder, ARGV[3],
  'reserved:' .. holder, whole(reserved), 'until:' .. holder, whole(now + lease))
redis.call('PEXPIRE', KEYS[1], whole(math.max(window - (now - began), outlived)))
return {granted, math.max(0, limit - used - others - reserved)}
""")
"""account; holder, what it has reserved, what it has charged in all, how much more it wants to reserve; limit, window,
lease and for how long a holder is remembered, in ms. Answers what was granted, and what is left."""

FORGET = Script("""
return redis.call('HDEL', KEYS[1], 'until:' .. ARGV[1], 'reserved:' .. ARGV[1], 'charged:' .. ARGV[1])
""")
"""account; a holder whose charges are counted, and which has no reservations."""


class RedisBudget(SharedBudget):
    """A `Budget` of all servers: `limit` tokens for each account in each `window` seconds.

    `redis` is an address or a client, as `hubline.backplanes.redis.RedisBackplane` takes it.
    A window begins with the first use of an account. Reservations of a server end `lease` seconds after its last
    report. While Redis is away nothing can be reserved, so no run starts; running ones use the tokens that were left,
    which are charged when Redis is back. Budgets with another `name` or
    `prefix`, which precedes the names of all keys, are counted separately.

    Raises:
        ConfigurationError: lists every value that is not valid.
    """

    def __init__(
        self,
        redis: str | Redis | RedisCluster,
        limit: int,
        *,
        prefix: str = "",
        name: str = "tokens",
        window: float = 86_400.0,
        lease: float = 10.0,
        clock: Clock | None = None,
    ) -> None:
        mistakes = Mistakes("RedisBudget")
        super().__init__(mistakes, limit, name=name, window=window, lease=lease, clock=clock)
        check_prefix(mistakes, prefix)
        mistakes.tell()
        self._asking = Asking(redis, self._clock, prefix)

    async def _settle(self, account: str, report: Report) -> tuple[int, int]:
        commands = await self._asking.commands()
        granted, left = await commands.run(SETTLE, [self._key(account)], *report)
        return int(granted), int(left)

    async def _forget(self, account: str, holder: str) -> None:
        commands = await self._asking.commands()
        await commands.run(FORGET, [self._key(account)], holder)

    async def _close(self) -> None:
        await self._asking.close()

    def _key(self, account: str) -> str:
        return f"hubline:budgets:{{{escaped(account)}}}:{self._name}"
