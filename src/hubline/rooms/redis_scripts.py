"""The names of rooms in Redis, and the scripts that change them, each in one step."""

from hubline.backplanes.redis_commands import Script

NODES = "hubline:history:nodes"
"""The names of the servers that have a lease, or had one: a set."""


def escaped(room: str) -> str:
    """A room's name without the braces by which Redis finds the slot of a key."""
    return room.replace("%", "%25").replace("{", "%7B").replace("}", "%7D")


def unescaped(room: str) -> str:
    """The name again."""
    return room.replace("%7D", "}").replace("%7B", "{").replace("%25", "%")


def keys_of(room: str) -> tuple[str, str, str]:
    """Of one room: its state (a hash), its messages (a stream), and its members (a hash)."""
    name = escaped(room)
    return f"hubline:history:{{{name}}}:state", f"hubline:history:{{{name}}}:log", f"hubline:history:{{{name}}}:members"


def key_of(room: str, key: str) -> str:
    """Where the message of a key is: a string."""
    return f"hubline:history:{{{escaped(room)}}}:key:{key}"


def channel_of(room: str) -> str:
    """Where each change of a room is published."""
    return f"hubline:history:{{{escaped(room)}}}:news"


def lease_key(node: str) -> str:
    return f"hubline:history:nodes:{{{node}}}:lease"


def rooms_key(node: str) -> str:
    """The rooms in which a server has devices: a set of names."""
    return f"hubline:history:nodes:{{{node}}}:rooms"


_BEGIN = """
local function begin(epoch)
  redis.call('HSET', KEYS[1], 'epoch', epoch)
  if redis.call('HEXISTS', KEYS[1], 'seq') == 0 then redis.call('DEL', KEYS[2]) end
  return epoch
end
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local function trim(keep)
  while true do
    local oldest = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1]
    if not oldest or tonumber(oldest[2][4]) >= keep then return oldest end
    redis.call('XDEL', KEYS[2], oldest[1])
  end
end
"""
"""`begin`: a new epoch; without a number of the last message the log is one of an epoch that is forgotten. `trim`:
remove messages from before a time in ms; returns the oldest that is left."""

APPEND = Script(
    _BEGIN
    + """
local seen = redis.call('GET', KEYS[3])
if seen then
  local epoch, seq = string.match(seen, '^(.*)-(%d+)$')
  return {epoch, tonumber(seq), 1}
end
local epoch = redis.call('HGET', KEYS[1], 'epoch') or begin(ARGV[6])
local seq = tonumber(redis.call('HGET', KEYS[1], 'seq') or 0)
if ARGV[4] == epoch and tonumber(ARGV[5]) > seq then epoch = begin(ARGV[6]) end
seq = seq + 1
local add = {'XADD', KEYS[2], 'MAXLEN', '=', ARGV[2], seq .. '-0', 'm', ARGV[1], 't', string.format('%.0f', now())}
if type(redis.pcall(unpack(add))) == 'table' then  -- the log goes on behind the state
  redis.call('DEL', KEYS[2])
  epoch = begin(ARGV[6])
  redis.call(unpack(add))
end
redis.call('HSET', KEYS[1], 'seq', seq)
redis.call('SET', KEYS[3], epoch .. '-' .. seq, 'PX', ARGV[8])
trim(now() - ARGV[3])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[3]) then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
redis.call('PUBLISH', ARGV[7], 'm ' .. epoch .. ' ' .. seq .. ' ' .. ARGV[1])
return {epoch, seq, 0}
"""
)
"""state, log, key; text, how many are kept, for how many ms, the epoch and number that the caller knows, a new epoch,
channel, for how many ms the key is known. Returns the epoch, the number, and 1 if the key was known."""

LOAD = Script(
    _BEGIN
    + """
local epoch = redis.call('HGET', KEYS[1], 'epoch') or begin(ARGV[6])
local seq = tonumber(redis.call('HGET', KEYS[1], 'seq') or 0)
local after = tonumber(ARGV[2])
local version = redis.call('HGET', KEYS[1], 'version') or '0'
local lost = tonumber(ARGV[8]) > seq or tonumber(ARGV[11]) > tonumber(version)
if ARGV[7] == epoch and lost then epoch = begin(ARGV[6]) end
if ARGV[1] ~= epoch or after > seq then after = 0 end
local oldest = trim(now() - ARGV[5])
local first = oldest and tonumber(string.match(oldest[1], '^%d+')) or seq + 1
local before = ARGV[9] ~= '' and '(' .. ARGV[9] .. '-0' or '+'
local messages = {}
if tonumber(ARGV[3]) > 0 and after < seq then
  messages = redis.call('XREVRANGE', KEYS[2], before, '(' .. after .. '-0', 'COUNT', ARGV[3])
end
for _, key in ipairs({KEYS[1], KEYS[3]}) do
  if redis.call('PTTL', key) < tonumber(ARGV[10]) then redis.call('PEXPIRE', key, ARGV[10]) end
end
local members = {}
if ARGV[4] ~= '-' and version ~= ARGV[4] then members = redis.call('HGETALL', KEYS[3]) end
return {epoch, seq, first, messages, tonumber(version), members}
"""
)
"""state, log, members; the epoch and number after which messages are wanted, how many, the known version of the
members, nothing or `-` if they are not wanted, for how many ms messages are kept, a new epoch, the epoch and number
that the server knows, the number before which messages are wanted or nothing, for how many ms a silent room is kept,
and the version that the server knows."""

_MEMBERS = """
local function version()
  if redis.call('HEXISTS', KEYS[1], 'epoch') == 0 then redis.call('HSET', KEYS[1], 'epoch', ARGV[2]) end
  local number = redis.call('HINCRBY', KEYS[1], 'version', 1)
  for _, key in ipairs(KEYS) do
    if redis.call('PTTL', key) < tonumber(ARGV[3]) then redis.call('PEXPIRE', key, ARGV[3]) end
  end
  return number
end
local function store(key, member)
  if #member.devices == 0 then
    redis.call('HDEL', KEYS[2], key)
    redis.call('PUBLISH', ARGV[1], 'p ' .. version() .. ' ' .. string.len(key) .. ' ' .. key)
  else
    local text = cjson.encode(member)
    redis.call('HSET', KEYS[2], key, text)
    redis.call('PUBLISH', ARGV[1], 'p ' .. version() .. ' ' .. string.len(key) .. ' ' .. key .. text)
  end
end
local function load(key)
  local text = redis.call('HGET', KEYS[2], key)
  return text and cjson.decode(text)
end
"""
"""Each script has: state, members; channel, a new epoch, for how many ms a room is kept."""

ENTER = Script(
    _MEMBERS
    + """
local new = cjson.decode(ARGV[5])
local device = new.devices[1]
local member = load(ARGV[4])
if not member then
  store(ARGV[4], new)
  return tonumber(redis.call('HGET', KEYS[1], 'version'))
end
local devices, known = {}, false
for _, each in ipairs(member.devices) do
  if each.id == device.id then known = not each.away and each.name == device.name end
  if each.id ~= device.id and not each.away then devices[#devices + 1] = each end
end
local changed = not known or #devices + 1 ~= #member.devices
devices[#devices + 1] = device
member.devices = devices
if ARGV[6] == '1' and member.state ~= new.state then
  member.state = new.state
  changed = true
end
if changed then store(ARGV[4], member) end
return tonumber(redis.call('HGET', KEYS[1], 'version') or 0)
"""
)
"""…; key, the member with one device in JSON, 1 to set the state. Returns the version."""

AWAY = Script(
    _MEMBERS
    + """
local member = load(ARGV[4])
if not member then return 0 end
local others, found, present = {}, nil, false
for _, each in ipairs(member.devices) do
  if each.id == ARGV[5] then
    found = each
  else
    others[#others + 1] = each
    if not each.away then present = true end
  end
end
if not found then return 0 end
if present then
  member.devices = others
  store(ARGV[4], member)
  return 0
end
found.away = true
redis.call('HSET', KEYS[2], ARGV[4], cjson.encode(member))
return 1
"""
)
"""…; key, the id of the device. Returns 1 if it is away, and the last one."""

LEAVE = Script(
    _MEMBERS
    + """
local member = load(ARGV[4])
if not member then return 0 end
local others = {}
for _, each in ipairs(member.devices) do
  if each.id ~= ARGV[5] or (ARGV[6] == '1' and not each.away) then others[#others + 1] = each end
end
if #others == #member.devices then return 0 end
member.devices = others
store(ARGV[4], member)
return 1
"""
)
"""…; key, the id of the device, 1 if only one that is away."""

STATE = Script(
    _MEMBERS
    + """
local member = load(ARGV[4])
if not member then return 0 end
if member.state ~= ARGV[5] then
  member.state = ARGV[5]
  store(ARGV[4], member)
end
return 1
"""
)
"""…; key, the state in JSON. 0 if there is no such member."""

SWEEP = Script(
    _MEMBERS
    + """
local found = redis.call('HGETALL', KEYS[2])
for at = 1, #found, 2 do
  local member, others = cjson.decode(found[at + 1]), {}
  for _, each in ipairs(member.devices) do
    if each.node ~= ARGV[4] then others[#others + 1] = each end
  end
  if #others < #member.devices then
    member.devices = others
    store(found[at], member)
  end
end
return 1
"""
)
"""…; the server whose devices are removed."""
