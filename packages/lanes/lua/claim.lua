-- Takes a lane for one turn and reads its head events.
--
-- KEYS  1 lane  2 queue  3 replays  4 ready  5 running  6 retrying  7 held
-- ARGV  1 now in ms, '' for the server's clock  2 lane  3 turn  4 fence  5 lease in ms  6 most events  7 most bytes
-- Returns {'stale'}  the turn is over, or the lane is idle
--         {'busy'}   another run owns the lane
--         {'wait', turn to arm, ms until then}   the head may not be attempted yet
--         {'held'}   paused or blocked; the lane is disarmed
--         {'run' or 'replay', lane number, failed attempts of the head, crashes, element, element, …}
--         A replay is one dead letter, put back before everything that waits.
--
-- Invariant: while a lease lives, nobody but the holder of the fence can change the lane. Runs when memory is full: the first
-- write needs none, which allows the others.

local LANE, QUEUE, REPLAYS, READY, RUNNING, RETRYING, HELD = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local now = clock(ARGV[1])
local lane, turn, fence, leaseMs = ARGV[2], tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])
local mostEvents, mostBytes = tonumber(ARGV[6]), tonumber(ARGV[7])
local CRASHES_BEFORE_ALONE = 2

local held = redis.call('HMGET', LANE, 'armed', 'turn', 'fence', 'lease', 'notbefore', 'paused', 'blocked', 'no', 'attempts', 'crashes')
if not held[1] or tonumber(held[2]) ~= turn then return { 'stale' } end
if held[4] and held[3] ~= fence and tonumber(held[4]) > now then return { 'busy' } end
local replay = redis.call('ZRANGE', REPLAYS, 0, 0)[1]
if not replay and held[5] and tonumber(held[5]) > now and not held[6] and not held[7] then
  redis.call('ZREM', READY, lane)
  redis.call('ZREM', RUNNING, lane)
  redis.call('HDEL', LANE, 'lease')
  redis.call('HSET', LANE, 'turn', turn + 1)
  redis.call('ZADD', RETRYING, held[5], lane)
  return { 'wait', turn + 1, tonumber(held[5]) - now }
end

local function disarm()
  redis.call('HDEL', LANE, 'armed', 'lease', 'notbefore')
  redis.call('ZREM', READY, lane)
  redis.call('ZREM', RUNNING, lane)
  redis.call('ZREM', RETRYING, lane)
end
if held[6] or held[7] then
  disarm()
  redis.call('HSET', HELD, lane, held[7] and 'blocked' or 'paused')
  return { 'held' }
end

redis.call('ZREM', READY, lane)
redis.call('ZREM', RETRYING, lane)
local crashes = tonumber(held[10]) or 0
-- The run before this one of the same turn ended without a word.
if held[4] and held[3] ~= fence then crashes = redis.call('HINCRBY', LANE, 'crashes', 1) end
if crashes >= CRASHES_BEFORE_ALONE then mostEvents = 1 end

local CHUNK = 16
local elements, bytes, from, room = { replay }, 0, 0, not replay
while room and from < mostEvents do
  local chunk = redis.call('LRANGE', QUEUE, from, math.min(from + CHUNK, mostEvents) - 1)
  for _, element in ipairs(chunk) do
    bytes = bytes + tonumber(string.match(element, '^%d+ (%d+)'))
    room = #elements == 0 or bytes <= mostBytes
    if not room then break end
    elements[#elements + 1] = element
  end
  room = room and #chunk == CHUNK
  from = from + CHUNK
end
if #elements == 0 then
  disarm()
  return { 'stale' }
end

redis.call('HSET', LANE, 'fence', fence, 'lease', now + leaseMs)
redis.call('ZADD', RUNNING, now + leaseMs, lane)
return { replay and 'replay' or 'run', tonumber(held[8]), tonumber(held[9]) or 0, crashes, unpack(elements) }
