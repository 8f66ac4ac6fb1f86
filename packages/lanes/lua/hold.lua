-- An operator holds a lane, or lets it go on.
--
-- KEYS  1 lane  2 queue  3 replays  4 ready  5 running  6 retrying  7 held
-- ARGV  1 now in ms, '' for the server's clock  2 lane  3 'pause', 'resume' or 'retry-head'  4 '1' also while the lane runs
-- Returns {'unknown'} | {'running'}: nothing was done
--         {'done', turn to arm or 0}
--
-- Pausing is a flag beside the lane's state: what arrives is kept, and nothing is attempted. A turn that runs meanwhile ends with
-- its commit. Invariant: a lane that holds events is armed, unless it is paused or blocked.

local LANE, QUEUE, REPLAYS, READY, RUNNING, RETRYING, HELD = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local now = clock(ARGV[1])
local lane, verb, forced = ARGV[2], ARGV[3], ARGV[4] == '1'

local held = redis.call('HMGET', LANE, 'no', 'armed', 'turn', 'lease', 'paused', 'blocked')
if not held[1] then return { 'unknown' } end
local running = held[4] and tonumber(held[4]) > now
if running and not forced then return { 'running' } end

if verb == 'pause' then
  redis.call('HSET', LANE, 'paused', 1)
  if not held[6] then redis.call('HSET', HELD, lane, 'paused') end
  if not running then
    redis.call('HDEL', LANE, 'armed', 'lease', 'fence', 'notbefore')
    redis.call('ZREM', READY, lane)
    redis.call('ZREM', RUNNING, lane)
    redis.call('ZREM', RETRYING, lane)
  end
  return { 'done', 0 }
end

if verb == 'resume' then
  redis.call('HDEL', LANE, 'paused')
  if held[6] then redis.call('HSET', HELD, lane, 'blocked') end
else
  redis.call('HDEL', LANE, 'blocked', 'notbefore')
  if held[5] then redis.call('HSET', HELD, lane, 'paused') end
end
local paused, blocked = redis.call('HGET', LANE, 'paused'), redis.call('HGET', LANE, 'blocked')
if paused or blocked then return { 'done', 0 } end

redis.call('HDEL', HELD, lane)
local empty = redis.call('LLEN', QUEUE) == 0 and redis.call('ZCARD', REPLAYS) == 0
if running or empty or (held[2] and verb == 'resume') then return { 'done', 0 } end
redis.call('HDEL', LANE, 'lease', 'fence')
local turn = (tonumber(held[3]) or 0) + 1
redis.call('HSET', LANE, 'armed', 1, 'turn', turn)
redis.call('ZREM', RETRYING, lane)
redis.call('ZREM', RUNNING, lane)
redis.call('ZADD', READY, now, lane)
return { 'done', turn }
