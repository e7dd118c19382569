"""What runs are called in Redis, and the programs that change them there, each as one step (runs.md R31, R34)."""

from typing import Any

from hubline.backplanes.redis_commands import Script
from hubline.runs.log import FencedError, LogGoneError

NODES = "hubline:nodes"
"""The servers that have, or had, a lease: a set of their names."""


def keys_of(run_id: str) -> tuple[str, str, str]:
    """Of one run: what is known of it (a hash), its entries (a stream), what trimmed entries amount to (a string)."""
    return tuple(f"hubline:runs:{{{run_id}}}:{each}" for each in ("state", "log", "fold"))  # type: ignore[return-value]


def run_channel(run_id: str) -> str:
    """Where each entry and each change of a run is published."""
    return f"hubline:runs:{{{run_id}}}:news"


def node_channel(node: str) -> str:
    """Where a server is asked, and gets its answers."""
    return f"hubline:nodes:{{{node}}}:calls"


def lease_key(node: str) -> str:
    return f"hubline:nodes:{{{node}}}:lease"


def owned_key(node: str) -> str:
    """The runs that a server owns: a set of ids."""
    return f"hubline:nodes:{{{node}}}:runs"


def list_key(group: str) -> str:
    """The runs of a room or a starter: ids by the time of their start. `group` begins with `rooms:` or `starters:`."""
    kind, _, name = group.partition(":")
    return f"hubline:{kind}:{{{name}}}:runs"


def list_channel(group: str) -> str:
    """Where changes of these runs are published."""
    kind, _, name = group.partition(":")
    return f"hubline:{kind}:{{{name}}}:news"


CREATE = Script("""
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if epoch then return epoch == ARGV[1] and 1 or 0 end
redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'fence', ARGV[2], 'node', ARGV[3], 'seq', 0)
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
""")
"""state; epoch, fence, node, life in ms. 0 when there is one."""

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
if not state[1] or state[2] ~= ARGV[1] then return 0 end
local fence = tonumber(state[1]) + 1
redis.call('HSET', KEYS[1], 'fence', fence, 'node', ARGV[2])
return fence
""")
"""state; the node that has gone, the one that takes over. The new fence, or 0 when it is not that node's."""

APPEND = Script("""
local state = redis.call('HMGET', KEYS[1], 'fence', 'seq', 'batch')
if not state[1] then return {'gone', 0} end
if state[3] == ARGV[2] then return {'ok', tonumber(state[2])} end
if tonumber(ARGV[1]) < tonumber(state[1]) then return {'fenced', tonumber(state[1])} end
local before = tonumber(state[2])
local last = before + tonumber(ARGV[3])
redis.call('XADD', KEYS[2], last .. '-0', 'entries', ARGV[4])
redis.call('HSET', KEYS[1], 'seq', last, 'batch', ARGV[2])
if before == 0 then redis.call('PEXPIRE', KEYS[2], redis.call('PTTL', KEYS[1])) end
redis.call('PUBLISH', ARGV[5], 'entries ' .. before .. ' ' .. ARGV[4])
return {'ok', last}
""")
"""state, log; fence, name of the batch, count, entries in JSON, channel. The same batch again changes nothing."""

LOAD = Script("""
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if not epoch then return {} end
return {epoch, redis.call('GET', KEYS[3]), redis.call('XRANGE', KEYS[2], '(' .. ARGV[1] .. '-0', '+')}
""")
"""state, log, fold; the number of the last entry that is known."""

FOLD = Script("""
local fence = redis.call('HGET', KEYS[1], 'fence')
if not fence or tonumber(ARGV[1]) < tonumber(fence) then return 0 end
redis.call('SET', KEYS[3], ARGV[3], 'PX', redis.call('PTTL', KEYS[1]))
redis.call('XTRIM', KEYS[2], 'MINID', '=', (tonumber(ARGV[2]) + 1) .. '-0')
return 1
""")
"""state, log, fold; fence, the last entry that may go, everything up to some later entry in JSON."""

DESCRIBE = Script("""
local fence = redis.call('HGET', KEYS[1], 'fence')
if not fence then return {'gone', 0} end
if tonumber(ARGV[1]) < tonumber(fence) then return {'fenced', tonumber(fence)} end
redis.call('HSET', KEYS[1], 'about', ARGV[2])
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ARGV[3]) end
redis.call('PUBLISH', ARGV[4], 'about ' .. ARGV[2])
return {'ok', 0}
""")
"""state, log, fold; fence, what is known in JSON, life in ms, channel."""

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


def checked(run_id: str, fence: int, found: Any) -> int:
    """The number that a script has answered. Raises FencedError, LogGoneError."""
    status, number = found
    if status == b"gone":
        raise LogGoneError(run_id)
    if status == b"fenced":
        raise FencedError(run_id, fence, number)
    return int(number)
