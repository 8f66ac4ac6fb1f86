-- Records a failed attempt of a lane's head and releases the lane: until a time, or until an operator acts.
--
-- KEYS  1 lane  2 running  3 retrying  4 held  5 totals
-- ARGV  1 now in ms, '' for the server's clock  2 lane  3 fence  4 seq of the head  5 number of this attempt
--       6 'retry' or 'block'  7 delay in ms  8 error
-- Returns {'fenced'} | {'blocked'} | {'retry', turn to arm, ms until then}
--
-- Invariant: a failing head stays the head. Repeatable: an attempt is recorded once. Runs when memory is full: the first write needs none.

local LANE, RUNNING, RETRYING, HELD, TOTALS = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local now = clock(ARGV[1])
local lane, fence, seq, attempt = ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local mode, delayMs, message = ARGV[6], tonumber(ARGV[7]), ARGV[8]

local held = redis.call('HMGET', LANE, 'fence', 'lease', 'done', 'turn', 'attempts', 'notbefore')
if held[1] ~= fence or (tonumber(held[3]) or 0) + 1 ~= seq then return { 'fenced' } end
if not held[2] then
  if (tonumber(held[5]) or 0) < attempt then return { 'fenced' } end
  return held[6] and { 'retry', tonumber(held[4]), math.max(0, tonumber(held[6]) - now) } or { 'blocked' }
end

redis.call('HDEL', LANE, 'lease', 'crashes')
redis.call('ZREM', RUNNING, lane)
redis.call('HSET', LANE, 'attempts', attempt, 'error', message)
redis.call('HINCRBY', TOTALS, 'retries', 1)
if mode == 'block' then
  redis.call('HDEL', LANE, 'armed')
  redis.call('HSET', LANE, 'blocked', 1)
  redis.call('HSET', HELD, lane, 'blocked')
  return { 'blocked' }
end
local turn = (tonumber(held[4]) or 0) + 1
redis.call('HSET', LANE, 'turn', turn, 'notbefore', now + delayMs)
redis.call('ZADD', RETRYING, now + delayMs, lane)
return { 'retry', turn, delayMs }
