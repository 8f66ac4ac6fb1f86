-- Finds what needs care in one shard; changes nothing.
--
-- KEYS  1 timers  2 running  3 ready  4 retrying  5 heads  6 held
-- ARGV  1 now in ms, '' for the server's clock  2 ms for which an arming may be on its way  3 most of each kind
--       4 rank among the heads to look from  5 heads to look at
-- Returns { now, {timers that are due}, {lanes whose lease has passed}, {lane, since when, for lanes armed or due for a retry that long ago},
--           {lanes that hold events and have no turn coming}, rank to look from next }

local TIMERS, RUNNING, READY, RETRYING, HEADS, HELD = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local now = clock(ARGV[1])
local graceMs, most, from, size = tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])

local function upTo(key, score) return redis.call('ZRANGEBYSCORE', key, '-inf', score, 'LIMIT', 0, most) end
local old = {}
for _, key in ipairs({ READY, RETRYING }) do
  local found = redis.call('ZRANGEBYSCORE', key, '-inf', now - graceMs, 'WITHSCORES', 'LIMIT', 0, most)
  for _, item in ipairs(found) do old[#old + 1] = item end
end

local unarmed = {}
local heads = redis.call('ZRANGE', HEADS, from, from + size - 1)
for _, lane in ipairs(heads) do
  local cared = redis.call('ZSCORE', READY, lane) or redis.call('ZSCORE', RUNNING, lane) or redis.call('ZSCORE', RETRYING, lane)
  if not cared and redis.call('HEXISTS', HELD, lane) == 0 then unarmed[#unarmed + 1] = lane end
end
return { now, upTo(TIMERS, now), upTo(RUNNING, now), old, unarmed, #heads == size and from + size or 0 }
