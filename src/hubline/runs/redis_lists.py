"""The lists of runs of rooms and of starters in Redis."""

from collections.abc import Sequence

from hubline.backplanes.redis_commands import Commands, Script
from hubline.runs.names import list_channel


def list_key(group: str) -> str:
    """The runs of a room or a starter: ids by the time until which they are kept. `rooms:…` or `starters:…`."""
    kind, _, name = group.partition(":")
    return f"hubline:{kind}:{{{name}}}:runs"


PUT = Script("""
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[2]), ARGV[1])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
if ARGV[3] ~= '' then redis.call('PUBLISH', ARGV[4], ARGV[3]) end
return 1
""")
"""list; run, life in ms, its news or nothing, channel. Expired runs are removed."""


async def put(commands: Commands, groups: Sequence[str], run_id: str, life: int, news: str = "") -> None:
    """Keep a run in these lists for this number of ms, and publish `news` of it. Raises BackplaneError."""
    for group in groups:
        await commands.run(PUT, [list_key(group)], run_id, life, news, commands.channel(list_channel(group)))


async def names(commands: Commands, group: str) -> list[str]:
    """The runs of a list, in no order; some may have gone. Raises BackplaneError."""
    return [name.decode() for name in await commands.call("ZRANGE", list_key(group), 0, -1)]


async def drop(commands: Commands, group: str, run_id: str) -> None:
    """A run has gone. Raises BackplaneError."""
    await commands.call("ZREM", list_key(group), run_id)
