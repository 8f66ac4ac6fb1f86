-- Gives a lane whose turn was lost a new one.
--
-- KEYS  1 lane  2 ready  3 running  4 retrying  5 queue  6 replays
-- ARGV  1 now in ms, '' for the server's clock  2 lane  3 arming before this time was lost
-- Returns {'well'} | {'rescued', turn to arm, 'lease', 'arming' or 'unarmed'}
--
-- A turn is lost when its lease has passed (its worker died or is frozen), or when the queue has already passed the lane's
-- arming and nobody claimed it; the caller derives ARGV 3 from the oldest job whose lanes are not claimed. Age alone says nothing:
-- behind a backlog every lane is old. A lane that holds events and has no turn coming is 'unarmed': no step leaves one so, and
-- whoever finds one has found a broken promise. The new turn makes a late run of the old one stale. Runs when memory is full:
-- the first write needs none.

local LANE, READY, RUNNING, RETRYING, QUEUE, REPLAYS = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local now = clock(ARGV[1])
local lane, lostBefore = ARGV[2], tonumber(ARGV[3])

local held = redis.call('HMGET', LANE, 'armed', 'turn', 'lease', 'paused', 'blocked')
local since = tonumber(redis.call('ZSCORE', READY, lane) or redis.call('ZSCORE', RETRYING, lane) or nil)
local holdsEvents = redis.call('EXISTS', QUEUE, REPLAYS) > 0
local lost
if held[3] then
  lost = tonumber(held[3]) <= now and 'lease'
elseif held[1] and since then
  lost = since < lostBefore and 'arming'
elseif holdsEvents and not held[4] and not held[5] then
  lost = 'unarmed'
end
if not lost and not held[1] then
  redis.call('ZREM', READY, lane)
  redis.call('ZREM', RUNNING, lane)
  redis.call('ZREM', RETRYING, lane)
end
if not lost then return { 'well' } end

redis.call('HDEL', LANE, 'lease', 'fence')
redis.call('ZREM', RUNNING, lane)
redis.call('ZREM', RETRYING, lane)
local turn = (tonumber(held[2]) or 0) + 1
redis.call('HSET', LANE, 'armed', 1, 'turn', turn)
if lost == 'lease' then redis.call('HINCRBY', LANE, 'crashes', 1) end
redis.call('ZADD', READY, now, lane)
return { 'rescued', turn, lost }
