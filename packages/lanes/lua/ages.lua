-- Finds since when the events wait that have waited longest: those that are to be taken, apart from retrying and held ones.
-- Changes nothing.
--
-- KEYS  1 heads  2 retrying  3 held
-- ARGV  1 most heads to look at
-- Returns {waiting since, retrying since, held since}, epoch ms, '' for none; behind more heads than are looked at, a bound.

local HEADS, RETRYING, HELD = KEYS[1], KEYS[2], KEYS[3]
local most = tonumber(ARGV[1])
local TAKEN, RETRIED, KEPT = 1, 2, 3

local some = { true, redis.call('EXISTS', RETRYING) == 1, redis.call('EXISTS', HELD) == 1 }
local function kindOf(lane)
  if some[KEPT] and redis.call('HEXISTS', HELD, lane) == 1 then return KEPT end
  if some[RETRIED] and redis.call('ZSCORE', RETRYING, lane) then return RETRIED end
  return TAKEN
end

local since = {}
local heads = redis.call('ZRANGE', HEADS, 0, most - 1, 'WITHSCORES')
for i = 1, #heads, 2 do
  local kind = kindOf(heads[i])
  since[kind] = since[kind] or heads[i + 1]
  if since[TAKEN] and (since[RETRIED] or not some[RETRIED]) and (since[KEPT] or not some[KEPT]) then break end
end
local bound = #heads == most * 2 and heads[#heads] or ''
local answer = {}
for kind = TAKEN, KEPT do answer[kind] = since[kind] or (some[kind] and bound or '') end
return answer
