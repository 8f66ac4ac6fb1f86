-- Commits a run of events from the head of a lane: effects, history and the lane's advance, all or none.
--
-- KEYS  1 lane  2 queue  3 replays  4 ready  5 heads  6 history  7 replayed  8 kept  9 recent  10 totals  11 minute
--       12 running  13 held  14 lanes  15 log, then for each follow-up: lane, queue; then the keys of the effects
-- ARGV  1 now in ms, '' for the server's clock  2 lane  3 fence  4 first seq  5 last seq (first - 1: no event)
--       6 'keep' or 'yield' when events remain; 'replay' for one replayed event, which yields then  7 lease in ms
--       8 most history items  9 history items older than this many ms go (0: none goes)  10 most bytes of recent records
--       11 number of follow-ups  12 longest log, in entries  13 number of events, then for each: outcome, the rest of its history item
--       then number of counters, and name, amount of each
--       then number of effects, and for each: command, index of its key among the effects' keys, number of arguments, arguments
--       then for each follow-up: lane, received at, record
-- Returns {'fenced'}                       the fence or the head differs: nothing was done
--         {'idle' or 'held', 0}            committed; no turn follows
--         {'kept', 0}                      committed; the lease is renewed
--         {'yielded', turn to arm}         committed; the lane is released
--         each with 'order' or 'duplicate' behind it when the history does not end right before the first event, '' otherwise,
--         and then lane, turn to arm for each other lane that a follow-up made ready
--         {'already', turn to arm or 0}    committed before
--
-- Invariant: idle is decided in the step of the pop, so a lane that holds events is armed or held. Repeatable: a commit that
-- was done answers 'already'. Everything is checked before the first write, and the first write needs no memory, which lets
-- the rest run when memory is full.

local LANE, QUEUE, REPLAYS, READY, HEADS, HISTORY, REPLAYED = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local KEPT, RECENT, TOTALS, MINUTE, RUNNING, HELD = KEYS[8], KEYS[9], KEYS[10], KEYS[11], KEYS[12], KEYS[13]
local FIRST_FOLLOW_UP_KEY = 16
local now = clock(ARGV[1])
local lane, fence, first, last = ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local mode, leaseMs, mostHistory, historyAgeMs = ARGV[6], tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local mostRecentBytes, followUps, longestLog, events = tonumber(ARGV[10]), tonumber(ARGV[11]), ARGV[12], tonumber(ARGV[13])
local firstEffectKey = FIRST_FOLLOW_UP_KEY + 2 * followUps

local held = redis.call('HMGET', LANE, 'fence', 'lease', 'done', 'seq', 'turn', 'paused', 'armed')
local done, seq, turn = tonumber(held[3]) or 0, tonumber(held[4]) or 0, tonumber(held[5]) or 0
if held[1] ~= fence then return { 'fenced' } end
local replay = mode == 'replay' and redis.call('ZRANGEBYSCORE', REPLAYS, first, first)[1]
-- Only the holder of the fence takes events away: what it names and is gone, it committed before.
local committed = events > 0 and done >= last
if mode == 'replay' then committed = not replay end
if events == 0 then committed = not held[2] end
-- Every ending but `keep` gives the lease back.
if committed and held[2] then return { 'kept' } end
if committed then return { 'already', held[7] and turn or 0 } end
local fromHead = events == 0 or replay or first == done + 1
if not held[2] or not fromHead or last - first + 1 ~= events then return { 'fenced' } end
for i = firstEffectKey, #KEYS do
  local kind = redis.call('TYPE', KEYS[i]).ok
  if kind ~= 'none' and kind ~= 'hash' and kind ~= 'zset' and kind ~= 'string' then
    return redis.error_reply('ERR Expected a hash, sorted set or string at ' .. KEYS[i] .. ', got ' .. kind)
  end
end

-- What the history tells is watched, and decides nothing: `done` does.
local violation = ''
local REPLAYS_LOOKED_PAST = 8
for place = -1, (events > 0 and not replay) and -REPLAYS_LOOKED_PAST or 0, -1 do
  local item = redis.call('LINDEX', HISTORY, place)
  local committedSeq, replayed = string.match(item or '', '^%d+ (%d+) %d+ %a+ %[%d+,%d+,(%d)')
  if replayed ~= '1' then
    local before = tonumber(committedSeq or nil) or first - 1
    violation = before >= first and 'duplicate' or before < first - 1 and 'order' or ''
    break
  end
end

redis.call('ZREM', READY, lane)
if events > 0 then redis.call('HDEL', LANE, 'crashes') end
if events > 0 and not replay then redis.call('HDEL', LANE, 'attempts', 'notbefore', 'error') end

-- History, counters, effects and follow-ups come one after the other in ARGV.
local a = 14
if events > 0 then
  local records = { replay }
  if replay then
    redis.call('ZREM', REPLAYS, replay)
  else
    records = redis.call('LPOP', QUEUE, events)
  end
  local recentBytes = 0
  for _, record in ipairs(records) do recentBytes = recentBytes + #record end
  local recentNumber = redis.call('HINCRBY', TOTALS, 'recent', events) - events
  local items = {}
  for i = 1, events do
    items[i] = string.format('%.0f %.0f %.0f %s %s', now, first + i - 1, recentNumber + i, ARGV[a], ARGV[a + 1])
    a = a + 2
  end
  redis.call('RPUSH', RECENT, unpack(records))
  recentBytes = redis.call('HINCRBY', TOTALS, 'recent-bytes', recentBytes)
  while recentBytes > mostRecentBytes do
    local oldest = redis.call('LPOP', RECENT)
    if not oldest then break end
    recentBytes = redis.call('HINCRBY', TOTALS, 'recent-bytes', -#oldest)
  end

  local position = redis.call('HINCRBY', LANE, 'position', events)
  if replay then
    redis.call('HSET', REPLAYED, first, position)
    if historyAgeMs > 0 then redis.call('PEXPIRE', REPLAYED, historyAgeMs) end
  else
    done = last
  end
  local length = redis.call('RPUSH', HISTORY, unpack(items))
  if historyAgeMs > 0 then redis.call('PEXPIRE', HISTORY, historyAgeMs) end
  local function forget(item)
    redis.call('LPOP', HISTORY)
    local goneSeq, outcome, replayed = string.match(item, '^%d+ (%d+) %d+ (%a+) %[%d+,%d+,(%d)')
    if outcome == 'unhandled' then redis.call('HDEL', KEPT, goneSeq) end
    -- A later replay of the same event has its place further on.
    local gonePosition = position - length + 1
    if replayed == '1' and tonumber(redis.call('HGET', REPLAYED, goneSeq)) == gonePosition then redis.call('HDEL', REPLAYED, goneSeq) end
    length = length - 1
  end
  local function hasToGo(item)
    return length > mostHistory or tonumber(string.match(item, '^%d+')) < now - historyAgeMs
  end
  -- A bound that was lowered is reached over several commits.
  for _ = 1, historyAgeMs > 0 and events + 1000 or 0 do
    local oldest = redis.call('LINDEX', HISTORY, 0)
    if not oldest or not hasToGo(oldest) then break end
    forget(oldest)
  end
end

local counters = tonumber(ARGV[a])
a = a + 1
for _ = 1, counters do
  redis.call('HINCRBY', TOTALS, ARGV[a], ARGV[a + 1])
  a = a + 2
end
if events > 0 and redis.call('HINCRBY', MINUTE, 'committed', events) == events then redis.call('PEXPIRE', MINUTE, 900000) end

local effects = tonumber(ARGV[a])
a = a + 1
for _ = 1, effects do
  local command, key, size = ARGV[a], KEYS[firstEffectKey - 1 + tonumber(ARGV[a + 1])], tonumber(ARGV[a + 2])
  redis.call(command, key, unpack(ARGV, a + 3, a + 2 + size))
  a = a + 3 + size
end

redis.call('HSET', LANE, 'done', done)

local keys = { ready = READY, heads = HEADS, lanes = KEYS[14], log = KEYS[15], totals = TOTALS, minute = MINUTE }
local places, armed = {}, {}
for i = 0, followUps - 1 do
  local laneKey, queueKey = KEYS[FIRST_FOLLOW_UP_KEY + 2 * i], KEYS[FIRST_FOLLOW_UP_KEY + 2 * i + 1]
  local number, place, turnToArm = append(laneKey, queueKey, keys, ARGV[a], ARGV[a + 2], ARGV[a + 1], now)
  places[#places + 1] = number .. ' ' .. place
  if turnToArm > 0 then
    armed[#armed + 1] = ARGV[a]
    armed[#armed + 1] = turnToArm
  end
  if laneKey == LANE then seq = place end
  a = a + 3
end
if followUps > 0 then recordAccepted(keys, places, longestLog) end

local replays = redis.call('ZCARD', REPLAYS)
if done == seq and replays == 0 then
  redis.call('HDEL', LANE, 'armed', 'lease')
  redis.call('ZREM', RUNNING, lane)
  redis.call('ZREM', HEADS, lane)
  return { 'idle', 0, violation, unpack(armed) }
end
if events > 0 and done < seq then
  local headReceivedAt = string.match(redis.call('LINDEX', QUEUE, 0), '^%d+ %d+ (%d+)')
  redis.call('ZADD', HEADS, headReceivedAt, lane)
end
if held[6] then
  redis.call('HDEL', LANE, 'armed', 'lease')
  redis.call('ZREM', RUNNING, lane)
  redis.call('HSET', HELD, lane, 'paused')
  return { 'held', 0, violation, unpack(armed) }
end
if mode == 'keep' then
  redis.call('HSET', LANE, 'lease', now + leaseMs)
  redis.call('ZADD', RUNNING, now + leaseMs, lane)
  return { 'kept', 0, violation, unpack(armed) }
end
redis.call('HDEL', LANE, 'lease')
redis.call('HSET', LANE, 'turn', turn + 1)
redis.call('ZREM', RUNNING, lane)
redis.call('ZADD', READY, now, lane)
return { 'yielded', turn + 1, violation, unpack(armed) }
