-- Puts a dead letter back into its lane, in its place: before everything that waits.
--
-- KEYS  1 lane  2 replays  3 ready  4 heads  5 dead  6 dead-bodies  7 dead-index  8 totals
-- ARGV  1 now in ms, '' for the server's clock  2 lane  3 dead letter id  4 seq
-- Returns {'unknown'}  no such dead letter: nothing was done
--         {'replayed', turn to arm or 0}
--
-- The event keeps its identity and its seq. It leaves the dead letters in the same step, so it is attempted once a replay.

local LANE, REPLAYS, READY, HEADS = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local DEAD, DEAD_BODIES, DEAD_INDEX, TOTALS = KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local now = clock(ARGV[1])
local lane, id, seq = ARGV[2], ARGV[3], ARGV[4]

local element = redis.call('HGET', DEAD_BODIES, id)
if not element or redis.call('HEXISTS', DEAD, id) == 0 then return { 'unknown' } end
local held = redis.call('HMGET', LANE, 'armed', 'turn', 'paused', 'blocked')

redis.call('ZADD', REPLAYS, seq, element)
redis.call('HDEL', DEAD, id)
redis.call('HDEL', DEAD_BODIES, id)
redis.call('ZREM', DEAD_INDEX, id)
-- It is committed a second time: whoever subtracts commits from receipts must know.
redis.call('HINCRBY', TOTALS, 'replays', 1)
redis.call('ZADD', HEADS, 'NX', now, lane)
if held[1] or held[3] or held[4] then return { 'replayed', 0 } end
local turn = (tonumber(held[2]) or 0) + 1
redis.call('HSET', LANE, 'armed', 1, 'turn', turn)
redis.call('ZADD', READY, now, lane)
return { 'replayed', turn }
