-- An operator takes a lane to settle its head by hand. What follows is a commit like any turn's.
--
-- KEYS  1 lane  2 queue  3 ready  4 running  5 retrying  6 held
-- ARGV  1 now in ms, '' for the server's clock  2 lane  3 fence  4 lease in ms  5 '1' also while the lane runs
--       6 seq that the head must have, '' for any
-- Returns {'unknown'} | {'running'} | {'empty'} | {'moved'}: nothing was done; 'moved': the head is another event
--         {'seized', lane number, failed attempts of the head, its last error or '', element}
--
-- The turn that runs, if it is seized, is fenced.

local LANE, QUEUE, READY, RUNNING, RETRYING, HELD = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local now = clock(ARGV[1])
local lane, fence, leaseMs, forced = ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5] == '1'

local held = redis.call('HMGET', LANE, 'no', 'turn', 'lease', 'attempts', 'error', 'paused')
if not held[1] then return { 'unknown' } end
if held[3] and tonumber(held[3]) > now and not forced then return { 'running' } end
local element = redis.call('LINDEX', QUEUE, 0)
if not element then return { 'empty' } end
if ARGV[6] ~= '' and string.match(element, '^%d+') ~= ARGV[6] then return { 'moved' } end

redis.call('HDEL', LANE, 'blocked', 'notbefore')
if held[6] then redis.call('HSET', HELD, lane, 'paused') else redis.call('HDEL', HELD, lane) end
redis.call('ZREM', READY, lane)
redis.call('ZREM', RETRYING, lane)
redis.call('HSET', LANE, 'armed', 1, 'turn', (tonumber(held[2]) or 0) + 1, 'fence', fence, 'lease', now + leaseMs)
redis.call('ZADD', RUNNING, now + leaseMs, lane)
return { 'seized', tonumber(held[1]), tonumber(held[4]) or 0, held[5] or '', element }
