"""Keys of requests, rooms and runs of starters in Redis: each change is one script in one slot (runs.md R33, R34)."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from hubline import HubError
from hubline.backplanes.redis_commands import Commands, Script
from hubline.runs import redis_accounts
from hubline.runs.info import OnBusy
from hubline.runs.keys import MOST
from hubline.runs.log import About
from hubline.runs.policies import BUSY, full
from hubline.runs.redis_accounts import CONFIRM, COUNTED, DISMISS, FREE, TAKE, active_key, request_key
from hubline.runs.registry import RoomState, TakenKey

UNCONFIRMED = 2
"""Leases for which a key, or a place in a room, is kept for a run that is about to be made. Ours."""


def queue_key(room: str) -> str:
    """The runs of a room that have not ended, in the order of their arrival: a string of JSON."""
    return f"hubline:rooms:{{{room}}}:queue"


def _room_script(change: str) -> Script:
    """A change of a room. `runs` has its runs in order: lists of id, standing, server, and the time of expiry (ms).

    Arguments begin with the server that asks, the room's name, and the prefix of channels. A run without a renewal
    loses its place. If no run is active, the first waiting one becomes active. The change is published to the servers
    of runs that it may affect.
    """
    return Script(f"""
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local runs, changed = {{}}, false
for _, run in ipairs(cjson.decode(redis.call('GET', KEYS[1]) or '[]')) do
  if run[4] > now then runs[#runs + 1] = run else changed = true end
end
{change}
local busy, first, last = false, nil, 0
for _, run in ipairs(runs) do
  if run[2] == 'active' or run[2] == 'stopping' then busy = true end
  if run[2] == 'waiting' and not first then first = run end
  if run[4] > last then last = run[4] end
end
if first and not busy then
  first[2] = 'active'
  changed = true
end
if #runs == 0 then
  redis.call('DEL', KEYS[1])
  return '[]'
end
local text = cjson.encode(runs)
redis.call('SET', KEYS[1], text, 'PX', string.format('%.0f', last - now))
if changed then
  local told = {{}}
  for _, run in ipairs(runs) do
    if (run[2] ~= 'active' or run == first) and not told[run[3]] then
      told[run[3]] = true
      redis.call('PUBLISH', ARGV[3] .. 'hubline:nodes:{{' .. run[3] .. '}}:calls', cjson.encode({{room = ARGV[2]}}))
    end
  end
end
return text
""")


LOOK = _room_script("")
"""queue; server, room, prefix."""

ENTER = _room_script("""
local known, busy, waiting = false, false, 0
for _, run in ipairs(runs) do
  if run[1] == ARGV[4] then known = true end
  if run[2] == 'active' or run[2] == 'stopping' then busy = true end
  if run[2] == 'waiting' then waiting = waiting + 1 end
end
if not known then
  local policy, standing = ARGV[5], 'active'
  local at = #runs + 1
  if policy == 'front' then
    for place = #runs, 1, -1 do
      if runs[place][2] == 'waiting' then at = place end
    end
    if busy then standing = 'waiting' end
  elseif policy ~= 'concurrent' and (busy or waiting > 0) then
    if policy == 'reject' then return 'busy' end
    if policy == 'queue' and waiting >= tonumber(ARGV[6]) then return 'full' end
    standing = 'waiting'
    for _, run in ipairs(runs) do
      if run[2] == 'waiting' and policy ~= 'queue' then run[2] = 'given up' end
      if run[2] == 'active' and policy == 'interrupt' then run[2] = 'stopping' end
    end
  end
  table.insert(runs, at, {ARGV[4], standing, ARGV[1], now + ARGV[7]})
  changed = true
end
""")
"""queue; server, room, prefix, run, policy or `front`, how many may wait, time in ms for it to be made."""

HOLD_PLACE = _room_script("""
for _, run in ipairs(runs) do
  if run[1] == ARGV[4] then
    run[3] = ARGV[1]
    run[4] = now + ARGV[5]
  end
end
""")
"""queue; server, room, prefix, run, life in ms."""

LEAVE = _room_script("""
for at = #runs, 1, -1 do
  if runs[at][1] == ARGV[4] and runs[at][3] == ARGV[1] then
    table.remove(runs, at)
    changed = true
  end
end
""")
"""queue; server, room, prefix, run. A run that another server has taken over stays."""

LEAVE_ENDED = _room_script("""
for at = #runs, 1, -1 do
  for ended = 4, #ARGV do
    if runs[at] and runs[at][1] == ARGV[ended] then
      table.remove(runs, at)
      changed = true
    end
  end
end
""")
"""queue; server, room, prefix, runs of any servers that have ended."""


class RedisRegistry:
    """A `RunRegistry`. `at_hand` has the connection to Redis and the name of this server; `most` keys are kept."""

    def __init__(
        self, at_hand: Callable[[], Awaitable[tuple[Commands, str]]], *, lease: float, life: int, most: int = MOST
    ) -> None:
        self._at_hand, self._unconfirmed, self._life = at_hand, round(lease * UNCONFIRMED * 1000), life
        self._counted, self._most = round(lease * COUNTED * 1000), most

    async def take_key(self, account: str, key: str, run_id: str, request: str) -> TakenKey:
        """Take a key, or find the run that has it. Raises BackplaneError."""
        commands, _ = await self._at_hand()
        taken = await commands.run(TAKE, [request_key(account, key)], run_id, request, self._unconfirmed)
        run, asked, made = (each.decode() for each in taken)
        return TakenKey(run, asked, made == "1")

    async def confirm_key(self, account: str, key: str, run_id: str, request: str) -> bool:
        """The run exists. Raises BackplaneError."""
        commands, _ = await self._at_hand()
        return bool(await commands.run(CONFIRM, [request_key(account, key)], run_id, request, self._life))

    async def free_key(self, account: str, key: str, run_id: str) -> None:
        """The run was not made. Raises BackplaneError."""
        commands, _ = await self._at_hand()
        await commands.run(FREE, [request_key(account, key)], run_id)

    async def admit(self, account: str, run_id: str, most: int) -> bool:
        """Count a run of a starter. Raises BackplaneError."""
        commands, _ = await self._at_hand()
        return await redis_accounts.admitted(commands, account, run_id, most, self._counted)

    async def dismiss(self, account: str, run_id: str) -> None:
        """The run was not made. Raises BackplaneError."""
        commands, _ = await self._at_hand()
        await commands.run(DISMISS, [active_key(account)], run_id)

    async def room(self, name: str) -> RoomState:
        """The runs of a room. Raises BackplaneError."""
        return await self._change(LOOK, name)

    async def enter(self, name: str, run_id: str, policy: OnBusy, most: int) -> RoomState:
        """Enter a room. Raises HubError, BackplaneError.

        The end of a run is in its log before it has left its room. So those of the room are asked before a refusal.
        """
        try:
            return await self._change(ENTER, name, run_id, policy, most, self._unconfirmed)
        except HubError:
            commands, _ = await self._at_hand()
            ended = await redis_accounts.ended_of(commands, [run for run, _ in await self.room(name)])
            if not ended:
                raise
        await self._change(LEAVE_ENDED, name, *ended)
        return await self._change(ENTER, name, run_id, policy, most, self._unconfirmed)

    async def come_back(self, name: str, run_id: str) -> RoomState:
        """Enter before all waiting runs. Raises BackplaneError."""
        return await self._change(ENTER, name, run_id, "front", 0, self._life)

    async def take_over(self, name: str, run_id: str) -> RoomState:
        """This server owns the run. Raises BackplaneError."""
        return await self._change(HOLD_PLACE, name, run_id, self._life)

    async def leave(self, name: str, run_id: str) -> None:
        """The run leaves, so the next one may begin. Raises BackplaneError."""
        await self._change(LEAVE, name, run_id)

    async def renew(self, about: About) -> RoomState:
        """Renew the key, the count and the place of a living run; returns the runs of its room."""
        commands, _ = await self._at_hand()
        await redis_accounts.renew(commands, about, self._counted, self._life)
        return await self.take_over(about["room"], about["id"]) if about["room"] is not None else ()

    async def spare(self, about: About) -> None:
        """The same for a run of another server, whose place stays what it is."""
        commands, _ = await self._at_hand()
        await redis_accounts.renew(commands, about, self._counted, self._life)
        if about["room"] is not None:
            await commands.call("PEXPIRE", queue_key(about["room"]), self._life)

    async def ended(self, about: About) -> None:
        """A run has ended: it leaves its room, counts no more, and the time of its key counts from now."""
        commands, _ = await self._at_hand()
        await redis_accounts.ended(commands, about, self._most)
        if about["room"] is not None:
            await self.leave(about["room"], about["id"])

    async def _change(self, script: Script, name: str, *arguments: Any) -> RoomState:
        commands, node = await self._at_hand()
        found = await commands.run(script, [queue_key(name)], node, name, commands.prefix, *arguments)
        if found == b"busy":
            raise HubError(BUSY)
        if found == b"full":
            raise HubError(full(arguments[2]))
        return [(run_id, standing) for run_id, standing, _, _ in json.loads(found)]
