"""The names of runs in Redis, and the scripts that change them, each in one step (runs.md R31, R34)."""

import json
from typing import Any

from hubline.backplanes.redis_commands import Commands, Script
from hubline.runs.log import About, FencedError, LogGoneError

NODES = "hubline:nodes"
"""The names of the servers that have a lease, or had one: a set."""


def keys_of(run_id: str) -> tuple[str, str, str]:
    """Of one run: its state (a hash), its entries (a stream), and the sum of the trimmed entries (a string)."""
    return tuple(f"hubline:runs:{{{run_id}}}:{each}" for each in ("state", "log", "fold"))  # type: ignore[return-value]


def lease_key(node: str) -> str:
    return f"hubline:nodes:{{{node}}}:lease"


def owned_key(node: str) -> str:
    """The runs that a server owns: a set of ids."""
    return f"hubline:nodes:{{{node}}}:runs"


OWN = Script("""
redis.call('SADD', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
""")
"""A set, such as the runs of a server; the new member, the life of the set in ms."""

CREATE = Script("""
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if epoch then return epoch == ARGV[1] and 1 or 0 end
redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'fence', ARGV[2], 'node', ARGV[3], 'seq', 0)
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
""")
"""state; epoch, fence, node, life in ms. 0 if the run exists."""

CLAIM = Script("""
local fence = redis.call('HGET', KEYS[1], 'fence')
if not fence then return {'gone', 0} end
if tonumber(ARGV[1]) <= tonumber(fence) then return {'fenced', tonumber(fence)} end
redis.call('HSET', KEYS[1], 'fence', ARGV[1], 'node', ARGV[2])
return {'ok', 0}
""")
"""state; fence, node."""

ADOPT = Script("""
local state = redis.call('HMGET', KEYS[1], 'fence', 'node')
if not state[1] then return 0 end
if state[2] == ARGV[2] then return tonumber(state[1]) end
if state[2] ~= ARGV[1] then return 0 end
local fence = tonumber(state[1]) + 1
redis.call('HSET', KEYS[1], 'fence', fence, 'node', ARGV[2])
return fence
""")
"""state; the node that is gone, the node that takes over. Returns the new fence, or 0 if the run is not that node's.

A repeated call, after a lost answer, returns the same."""

APPEND = Script("""
local state = redis.call('HMGET', KEYS[1], 'fence', 'seq', 'batch')
if not state[1] then return {'gone', 0} end
if state[3] == ARGV[2] then return {'ok', tonumber(state[2])} end
if tonumber(ARGV[1]) < tonumber(state[1]) then return {'fenced', tonumber(state[1])} end
local before = tonumber(state[2])
if ARGV[7] ~= '' and tonumber(ARGV[7]) ~= before then return {'other', before} end
local last = before + tonumber(ARGV[3])
redis.call('XADD', KEYS[2], last .. '-0', 'entries', ARGV[4])
redis.call('HSET', KEYS[1], 'seq', last, 'batch', ARGV[2])
if ARGV[6] ~= '' then redis.call('HSET', KEYS[1], 'end', ARGV[6]) end
if before == 0 then redis.call('PEXPIRE', KEYS[2], redis.call('PTTL', KEYS[1])) end
redis.call('PUBLISH', ARGV[5], 'entries ' .. before .. ' ' .. ARGV[4])
return {'ok', last}
""")
"""state, log; fence, name of the batch, count, entries in JSON, channel, the state if the run ends or else nothing, and
the last entry that the owner knows, or nothing.

A repeated batch changes nothing. Returns `other` and the number of the last entry in Redis if the owner knows another
one: Redis has lost confirmed entries, or the command has arrived late, from a connection that was given up."""

LOAD = Script("""
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if not epoch then return {} end
return {epoch, redis.call('GET', KEYS[3]), redis.call('XRANGE', KEYS[2], '(' .. ARGV[1] .. '-0', '+')}
""")
"""state, log, fold; the number of the last known entry."""

FOLD = Script("""
local state = redis.call('HMGET', KEYS[1], 'fence', 'folded')
if not state[1] or tonumber(ARGV[1]) < tonumber(state[1]) then return 0 end
if tonumber(ARGV[2]) < tonumber(state[2] or 0) then return 0 end
redis.call('HSET', KEYS[1], 'folded', ARGV[2])
redis.call('SET', KEYS[3], ARGV[3], 'PX', redis.call('PTTL', KEYS[1]))
redis.call('XTRIM', KEYS[2], 'MINID', '=', (tonumber(ARGV[2]) + 1) .. '-0')
return 1
""")
"""state, log, fold; fence, the last entry to trim, and in JSON the sum of all entries up to a later one.

A call that arrives after a later one changes nothing."""

DESCRIBE = Script("""
local fence = redis.call('HGET', KEYS[1], 'fence')
if not fence then return {'gone', 0} end
if tonumber(ARGV[1]) < tonumber(fence) then return {'fenced', tonumber(fence)} end
redis.call('HSET', KEYS[1], 'about', ARGV[2])
if ARGV[5] == '1' then
  local time = redis.call('TIME')
  redis.call('HSETNX', KEYS[1], 'ended', time[1] * 1000 + math.floor(time[2] / 1000))
end
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ARGV[3]) end
redis.call('PUBLISH', ARGV[4], 'about ' .. ARGV[2])
return {'ok', 0}
""")
"""state, log, fold; fence, the description in JSON, life in ms, channel, 1 at the end."""

SETTLE = Script("""
local state = redis.call('HMGET', KEYS[1], 'fence', 'ended')
if not state[1] or tonumber(ARGV[1]) < tonumber(state[1]) then return 0 end
local time = redis.call('TIME')
local left = state[2] + ARGV[2] - time[1] * 1000 - math.floor(time[2] / 1000)
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, string.format('%.0f', math.max(1, left))) end
return 1
""")
"""state, log, fold; fence, the time in ms for which an ended run is kept after its end."""

RENEW = Script("""
local fence = redis.call('HGET', KEYS[1], 'fence')
if not fence then return {'gone', 0} end
if tonumber(ARGV[1]) < tonumber(fence) then return {'fenced', tonumber(fence)} end
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ARGV[2]) end
return {'ok', 0}
""")
"""state, log, fold; fence, life in ms."""

REMOVE = Script("""
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
redis.call('PUBLISH', ARGV[1], 'gone')
return 1
""")
"""state, log, fold; channel."""


class OtherEndError(Exception):
    """The log does not end where its owner thinks: nothing was added."""

    def __init__(self, end: int) -> None:
        self.end = end
        super().__init__(f"the log ends with entry {end}")


def checked(run_id: str, fence: int, found: Any) -> int:
    """The number that a script has answered. Raises FencedError, LogGoneError, OtherEndError."""
    status, number = found
    if status == b"other":
        raise OtherEndError(number)
    if status == b"gone":
        raise LogGoneError(run_id)
    if status == b"fenced":
        raise FencedError(run_id, fence, number)
    return int(number)


async def about_of(commands: Commands, run_id: str) -> About | None:
    """The description of a run, with the position of its last entry. Raises BackplaneError."""
    text, epoch, seq, end = await commands.call("HMGET", keys_of(run_id)[0], "about", "epoch", "seq", "end")
    if text is None:
        return None
    position = f"{epoch.decode()}-{seq.decode()}" if seq != b"0" else None
    ended = {"state": end.decode(), "ended": True} if end is not None else {}  # which comes before its description
    return {**json.loads(text), **ended, "position": position}
