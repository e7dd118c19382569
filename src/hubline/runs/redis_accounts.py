"""What Redis holds of each starter: the runs of keys, and the runs that have not ended (runs.md R9, R11, R34)."""

import asyncio
import json
import zlib
from collections.abc import Sequence

from hubline.backplanes.redis_commands import Commands, Script
from hubline.runs.log import About
from hubline.runs.redis_keys import keys_of

COUNTED = 6
"""Leases for which a run counts among those of its starter without being renewed. Ours: servers that renew many runs
take more than one, and a run that no server has taken over must not count for long."""

PARTS = 16
"""Indexes of the keys of ended runs. Ours: a cluster spreads them over its nodes."""

LOOKED_AT = 100
"""Runs of a starter, or of a room, that are asked whether they have ended, before a start is refused. Ours."""

SURPLUS = 100
"""Keys that the end of one run removes at most. Ours."""


def escaped(name: str) -> str:
    """A name with its braces escaped as in URLs, so that a client cannot choose a name with another hash tag."""
    for character in "%{}":
        name = name.replace(character, f"%{ord(character):02X}")
    return name


def request_key(account: str, key: str) -> str:
    """The run of a starter's key: a hash."""
    return f"hubline:keys:{{{escaped(account)}}}:{key}"


def active_key(account: str) -> str:
    """A starter's runs that have not ended: ids by the time until which they count."""
    return f"hubline:starters:{{{escaped(account)}}}:active"


def index_key(part: int) -> str:
    """The keys of ended runs: their account, key and run in JSON, by the time of their expiry."""
    return f"hubline:keys:{{{part}}}:ended"


def part_of(account: str, key: str) -> int:
    """The index that a key belongs to."""
    return zlib.crc32(json.dumps([account, key]).encode()) % PARTS


NOW = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function whole(number) return string.format('%.0f', number) end
local function outlive(key, life)
  if redis.call('PTTL', key) < tonumber(life) then redis.call('PEXPIRE', key, life) end
end
"""

TAKE = Script("""
local found = redis.call('HMGET', KEYS[1], 'run', 'request', 'made')
if found[1] then return {found[1], found[2], found[3]} end
redis.call('HSET', KEYS[1], 'run', ARGV[1], 'request', ARGV[2], 'made', 0)
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return {ARGV[1], ARGV[2], '0'}
""")
"""key; run, request, time in ms for it to be made."""

CONFIRM = Script("""
local run = redis.call('HGET', KEYS[1], 'run')
if run and run ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'run', ARGV[1], 'request', ARGV[2], 'made', 1)
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
""")
"""key; run, request, life in ms. 0 when another run has it."""

FREE = Script("""
if redis.call('HGET', KEYS[1], 'run') ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
""")
"""key; run. The key of another run is not changed."""

ADMIT = Script(
    NOW
    + """
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', whole(now))
for at = 5, #ARGV do redis.call('ZREM', KEYS[1], ARGV[at]) end
local added = redis.call('ZADD', KEYS[1], whole(now + ARGV[2]), ARGV[1])
if added == 1 and redis.call('ZCARD', KEYS[1]) > tonumber(ARGV[3]) then
  redis.call('ZREM', KEYS[1], ARGV[1])
  return {0, redis.call('ZRANGE', KEYS[1], 0, ARGV[4] - 1)}
end
outlive(KEYS[1], ARGV[2])
return {1, {}}
"""
)
"""runs of a starter; run, life in ms, how many there may be, how many are answered when it is refused, and those that
are known to have ended. What is counted are members, so no count can be wrong for longer than a member lives."""

DISMISS = Script("return redis.call('ZREM', KEYS[1], ARGV[1])")
"""runs of a starter; run."""

RENEW_OF_STARTER = Script(
    NOW
    + """
if ARGV[2] ~= '0' then
  redis.call('ZADD', KEYS[1], whole(now + ARGV[2]), ARGV[1])
  outlive(KEYS[1], ARGV[2])
end
if KEYS[2] and redis.call('HGET', KEYS[2], 'run') == ARGV[1] then outlive(KEYS[2], ARGV[3]) end
return 1
"""
)
"""runs of a starter, and the key; run, its life in ms as one of them, 0 if it does not count, the life of the key.

The key of a run that has ended meanwhile has more time than that, and keeps it."""

END_OF_STARTER = Script("""
redis.call('ZREM', KEYS[1], ARGV[1])
if KEYS[2] and redis.call('HGET', KEYS[2], 'run') == ARGV[1] then redis.call('PEXPIRE', KEYS[2], ARGV[2]) end
return 1
""")
"""runs of a starter, and the key; run, for how many ms the key is kept."""

INDEX = Script(
    NOW
    + """
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', whole(now))
redis.call('ZADD', KEYS[1], 'NX', whole(now + ARGV[2]), ARGV[1])
outlive(KEYS[1], ARGV[2])
local surplus = redis.call('ZCARD', KEYS[1]) - ARGV[3]
if surplus <= 0 then return {} end
return redis.call('ZRANGE', KEYS[1], 0, math.min(surplus, ARGV[4]) - 1)
"""
)
"""index; a key, for how many ms it is kept, how many there may be, how many are answered. Those that are too many."""

DROP = Script("return redis.call('ZREM', KEYS[1], unpack(ARGV))")
"""index; keys that were removed."""


async def admitted(commands: Commands, account: str, run_id: str, most: int, life: int) -> bool:
    """Count a run for `life` ms, unless `most` of its starter are counted that have not ended. Raises BackplaneError.

    The end of a run is in its log before it is counted no more. So those that are counted are asked before a refusal.
    """
    key = [active_key(account)]
    admitted, others = await commands.run(ADMIT, key, run_id, life, most, LOOKED_AT)
    if admitted:
        return True
    ends = await ended_of(commands, [other.decode() for other in others])
    if ends:
        admitted, _ = await commands.run(ADMIT, key, run_id, life, most, 1, *ends)
    return bool(admitted)


async def ended_of(commands: Commands, names: Sequence[str]) -> list[str]:
    """Those of the runs whose ends are in their logs; of many, the first are asked. Raises BackplaneError."""
    asked = names[:LOOKED_AT]
    ends = await asyncio.gather(*(commands.call("HMGET", keys_of(name)[0], "end") for name in asked))
    return [name for name, (end,) in zip(asked, ends, strict=True) if end is not None]


async def renew(commands: Commands, about: About, counted: int, life: int) -> None:
    """A living run counts for `counted` ms, and its key is kept for `life` ms at least. Raises BackplaneError."""
    if about["key"] is not None or about.get("counted"):
        times = (counted if about.get("counted") else 0), life
        await commands.run(RENEW_OF_STARTER, _keys(about), about["id"], *times)


async def ended(commands: Commands, about: About, most: int) -> None:
    """A run counts no more, and its key is kept for its own time. At most `most` are kept. Raises BackplaneError."""
    if about["key"] is None and not about.get("counted"):
        return
    keep = round(about["keepKeys"] * 1000)
    await commands.run(END_OF_STARTER, _keys(about), about["id"], keep)
    if about["key"] is not None and keep > 0:
        await _bound(commands, (about["account"], about["key"], about["id"]), keep, most)


async def _bound(commands: Commands, kept: tuple[str, str, str], keep: int, most: int) -> None:
    """Index a key, and remove the oldest of the index. A server that dies in between leaves them to the next end."""
    index = [index_key(part_of(*kept[:2]))]
    surplus = await commands.run(INDEX, index, json.dumps(kept), keep, most // PARTS, SURPLUS)
    if surplus:
        gone = [json.loads(each) for each in surplus]
        await asyncio.gather(*(commands.run(FREE, [request_key(account, key)], run) for account, key, run in gone))
        await commands.run(DROP, index, *surplus)


def _keys(about: About) -> list[str]:
    account, key = about["account"], about["key"]
    return [active_key(account), *([request_key(account, key)] if key is not None else [])]
