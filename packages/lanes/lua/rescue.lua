-- Gives a lane whose turn was lost a new one.
--
-- KEYS  1 lane  2 ready  3 running  4 retrying
-- ARGV  1 now in ms, '' for the server's clock  2 lane  3 arming before this time was lost
-- Returns {'well'} | {'rescued', turn to arm, 'lease' or 'arming'}
--
-- A turn is lost when its lease has passed (its worker died or is frozen), or when the queue has already passed the lane's
-- arming and nobody claimed it; the caller derives ARGV 3 from the job at the head of the wait list. Age alone says nothing:
-- behind a backlog every lane is old. The new turn makes a late run of the old one stale. Runs when memory is full: the first
-- write needs none.

local LANE, READY, RUNNING, RETRYING = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local now = clock(ARGV[1])
local lane, lostBefore = ARGV[2], tonumber(ARGV[3])

local held = redis.call('HMGET', LANE, 'armed', 'turn', 'lease')
local since = tonumber(redis.call('ZSCORE', READY, lane) or redis.call('ZSCORE', RETRYING, lane) or now)
if not held[1] then
  redis.call('ZREM', READY, lane)
  redis.call('ZREM', RUNNING, lane)
  redis.call('ZREM', RETRYING, lane)
  return { 'well' }
end
local lost
if held[3] then
  lost = tonumber(held[3]) <= now and 'lease'
else
  lost = since < lostBefore and 'arming'
end
if not lost then return { 'well' } end

redis.call('HDEL', LANE, 'lease', 'fence')
redis.call('ZREM', RUNNING, lane)
redis.call('ZREM', RETRYING, lane)
local turn = (tonumber(held[2]) or 0) + 1
redis.call('HSET', LANE, 'turn', turn)
if lost == 'lease' then redis.call('HINCRBY', LANE, 'crashes', 1) end
redis.call('ZADD', READY, now, lane)
return { 'rescued', turn, lost }
