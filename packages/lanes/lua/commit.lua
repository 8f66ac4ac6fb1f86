-- Commits runs of events, each from the head of its lane: effects, history and the lane's advance, all or none of each run.
--
-- KEYS  1 ready  2 heads  3 recent  4 totals  5 minute  6 running  7 held  8 lanes  9 log
--       then for each run: lane, queue, replays, history, replayed, kept, then for each follow-up: lane, queue; then the keys of the effects
-- ARGV  1 now in ms, '' for the server's clock  2 number of runs  3 longest log, in entries  4 most bytes of recent records
--       then for each run: number of its keys, number of its arguments from here on,
--       lane, fence, first seq, last seq (first - 1: no event),
--       what becomes of the lane when events remain: 'keep' for this turn, 'more' the same unless a replay waits, or 'yield'; 'replay' for
--       one replayed event, which yields then, lease in ms,
--       most history items, history items older than this many ms go (0: none goes), number of follow-ups,
--       number of events, bytes of their records, for each key of the effects what it must be (hash, zset or any),
--       then for each event: outcome, the rest of its history item
--       then number of counters, and name, amount of each
--       then number of effects, and for each: command, index of its key among the effects' keys, number of arguments, arguments
--       then for each follow-up: lane, received at, record
-- Returns for each run {'fenced'}                       the fence or the head differs: nothing was done
--                      {'idle' or 'held', 0}            committed; no turn follows
--                      {'kept', 0}                      committed; the lease is renewed
--                      {'yielded', turn to arm}         committed; the lane is released
--                      each with 'order' or 'duplicate' behind it when the history does not end right before the first event,
--                      '' otherwise, and then lane, turn to arm for each other lane that a follow-up made ready
--                      {'already', turn to arm or 0}    committed before
--                      {'failed', message}              nothing was done
--
-- Invariant: idle is decided in the step of the pop, so a lane that holds events is armed or held. Repeatable: a run that was
-- committed answers 'already'. Of each run everything is checked before its first write, and that write needs no memory, which lets
-- the rest run when memory is full. What all lanes share is written once for all runs; follow-ups to other lanes come last, when every
-- run's lane stands as it will.

local READY, HEADS, RECENT, TOTALS, MINUTE, RUNNING, HELD = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local keys = { ready = READY, heads = HEADS, lanes = KEYS[8], log = KEYS[9], totals = TOTALS, minute = MINUTE }
local now = clock(ARGV[1])
local count, longestLog, mostRecentBytes = tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local OWN_KEYS, REPLAYS_LOOKED_PAST = 6, 8

local lastRecent, recentBytes = tonumber(redis.call('HGET', TOTALS, 'recent') or 0), 0
local recentNumber = lastRecent
local totals, places, elsewhere = {}, {}, {}
local resting, leased, emptied, headed, readied = {}, {}, {}, {}, {}

local function add(list, first, second)
  list[#list + 1] = first
  list[#list + 1] = second
end

-- What the history tells is watched, and decides nothing: `done` does.
local function violationOf(history, first)
  for place = -1, -REPLAYS_LOOKED_PAST, -1 do
    local item = redis.call('LINDEX', history, place)
    local seq, replayed = string.match(item or '', '^%d+ (%d+) %d+ %a+ %[%d+,%d+,(%d)')
    if replayed ~= '1' then
      local before = tonumber(seq or nil) or first - 1
      return before >= first and 'duplicate' or before < first - 1 and 'order' or ''
    end
  end
  return ''
end

-- Writes the run's history items and removes those that have to go.
local function recordHistory(k, items, position, mostHistory, historyAgeMs)
  local HISTORY, REPLAYED, KEPT = KEYS[k + 3], KEYS[k + 4], KEYS[k + 5]
  local length = redis.call('RPUSH', HISTORY, unpack(items))
  if historyAgeMs == 0 then return end
  redis.call('PEXPIRE', HISTORY, historyAgeMs)
  -- A bound that was lowered is reached over several commits.
  for _ = 1, #items + 1000 do
    if length <= #items and length <= mostHistory then return end
    local item = redis.call('LINDEX', HISTORY, 0)
    if not item or length <= mostHistory and tonumber(string.match(item, '^%d+')) >= now - historyAgeMs then return end
    redis.call('LPOP', HISTORY)
    local seq, outcome, replayed = string.match(item, '^%d+ (%d+) %d+ (%a+) %[%d+,%d+,(%d)')
    if outcome == 'unhandled' then redis.call('HDEL', KEPT, seq) end
    -- A later replay of the same event has its place further on.
    local gone = position - length + 1
    if replayed == '1' and tonumber(redis.call('HGET', REPLAYED, seq)) == gone then redis.call('HDEL', REPLAYED, seq) end
    length = length - 1
  end
end

local function commit(k, a)
  local LANE, QUEUE, REPLAYS, HISTORY, REPLAYED = KEYS[k], KEYS[k + 1], KEYS[k + 2], KEYS[k + 3], KEYS[k + 4]
  local lastKey = k + tonumber(ARGV[a]) - 1
  local lane, fence, first, last = ARGV[a + 2], ARGV[a + 3], tonumber(ARGV[a + 4]), tonumber(ARGV[a + 5])
  local mode, leaseMs, mostHistory, historyAgeMs = ARGV[a + 6], tonumber(ARGV[a + 7]), tonumber(ARGV[a + 8]), tonumber(ARGV[a + 9])
  local followUps, events = tonumber(ARGV[a + 10]), tonumber(ARGV[a + 11])
  local recordBytes = tonumber(ARGV[a + 12])
  local firstEffectKey = k + OWN_KEYS + 2 * followUps
  local kinds = a + 13 - firstEffectKey
  a = kinds + lastKey + 1

  local held = redis.call('HMGET', LANE, 'fence', 'lease', 'done', 'seq', 'turn', 'paused', 'armed', 'position')
  local done, seq, turn = tonumber(held[3]) or 0, tonumber(held[4]) or 0, tonumber(held[5]) or 0
  local position = (tonumber(held[8]) or 0) + events
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
  -- What was read and is not there any more was lost with the memory of the store that had given it.
  if not held[2] or not fromHead or last > seq or last - first + 1 ~= events then return { 'fenced' } end
  for key = firstEffectKey, lastKey do
    local kind = redis.call('TYPE', KEYS[key]).ok
    local expected = ARGV[kinds + key]
    if kind ~= 'none' and expected ~= 'any' and kind ~= expected then
      return { 'failed', 'Expected a ' .. expected .. ' at ' .. KEYS[key] .. ', got ' .. kind }
    end
  end
  local violation = events > 0 and not replay and violationOf(HISTORY, first) or ''

  if events > 0 then
    if replay then
      redis.call('HDEL', LANE, 'crashes')
      redis.call('ZREM', REPLAYS, replay)
      redis.call('RPUSH', RECENT, replay)
      redis.call('HSET', REPLAYED, first, position)
      if historyAgeMs > 0 then redis.call('PEXPIRE', REPLAYED, historyAgeMs) end
    else
      redis.call('HDEL', LANE, 'crashes', 'attempts', 'notbefore', 'error')
      -- Moved within the store: a record that passed through here would be copied, and hashed byte by byte, and written to the log anew.
      for _ = 1, events do redis.call('LMOVE', QUEUE, RECENT, 'LEFT', 'RIGHT') end
      done = last
    end
    recentBytes = recentBytes + recordBytes
    local items = {}
    for i = 1, events do
      recentNumber = recentNumber + 1
      items[i] = string.format('%.0f %d %d %s %s', now, first + i - 1, recentNumber, ARGV[a], ARGV[a + 1])
      a = a + 2
    end
    recordHistory(k, items, position, mostHistory, historyAgeMs)
  end

  local counters = tonumber(ARGV[a])
  a = a + 1
  for _ = 1, counters do
    totals[ARGV[a]] = (totals[ARGV[a]] or 0) + tonumber(ARGV[a + 1])
    a = a + 2
  end

  local effects = tonumber(ARGV[a])
  a = a + 1
  for _ = 1, effects do
    local command, key, size = ARGV[a], KEYS[firstEffectKey - 1 + tonumber(ARGV[a + 1])], tonumber(ARGV[a + 2])
    redis.call(command, key, unpack(ARGV, a + 3, a + 2 + size))
    a = a + 3 + size
  end

  local answer = { 'idle', 0, violation }
  if followUps > 0 then redis.call('HSET', LANE, 'done', done) end
  for i = 0, followUps - 1 do
    local laneKey, queueKey = KEYS[k + OWN_KEYS + 2 * i], KEYS[k + OWN_KEYS + 2 * i + 1]
    if laneKey == LANE then
      local number, place = append(laneKey, queueKey, keys, ARGV[a], ARGV[a + 2], ARGV[a + 1], now)
      places[#places + 1] = number .. ' ' .. place
      seq = place
    else
      elsewhere[#elsewhere + 1] = { laneKey, queueKey, ARGV[a], ARGV[a + 2], ARGV[a + 1], answer }
    end
    a = a + 3
  end

  if done == seq and redis.call('ZCARD', REPLAYS) == 0 then
    redis.call('HDEL', LANE, 'armed', 'lease')
    redis.call('HSET', LANE, 'done', done, 'position', position)
    resting[#resting + 1] = lane
    emptied[#emptied + 1] = lane
    return answer
  end
  if events > 0 and done < seq then
    add(headed, string.match(redis.call('LINDEX', QUEUE, 0), '^%d+ %d+ (%d+)'), lane)
  end
  if held[6] then
    redis.call('HDEL', LANE, 'armed', 'lease')
    redis.call('HSET', LANE, 'done', done, 'position', position)
    redis.call('HSET', HELD, lane, 'paused')
    resting[#resting + 1] = lane
    answer[1] = 'held'
    return answer
  end
  if mode == 'keep' or mode == 'more' and redis.call('ZCARD', REPLAYS) == 0 then
    redis.call('HSET', LANE, 'lease', now + leaseMs, 'done', done, 'position', position)
    add(leased, now + leaseMs, lane)
    answer[1] = 'kept'
    return answer
  end
  redis.call('HDEL', LANE, 'lease')
  redis.call('HSET', LANE, 'turn', turn + 1, 'done', done, 'position', position)
  resting[#resting + 1] = lane
  add(readied, now, lane)
  answer[1], answer[2] = 'yielded', turn + 1
  return answer
end

local answers = {}
local k, a = 10, 5
for i = 1, count do
  local ok, answer = pcall(commit, k, a)
  answers[i] = ok and answer or { 'failed', type(answer) == 'table' and answer.err or tostring(answer) }
  k, a = k + tonumber(ARGV[a]), a + tonumber(ARGV[a + 1])
end

if #resting > 0 then redis.call('ZREM', RUNNING, unpack(resting)) end
if #emptied > 0 then redis.call('ZREM', HEADS, unpack(emptied)) end
if #leased > 0 then redis.call('ZADD', RUNNING, unpack(leased)) end
if #headed > 0 then redis.call('ZADD', HEADS, unpack(headed)) end
if #readied > 0 then redis.call('ZADD', READY, unpack(readied)) end
if recentNumber > lastRecent then
  local committed = recentNumber - lastRecent
  redis.call('HINCRBY', TOTALS, 'recent', committed)
  local bytes = redis.call('HINCRBY', TOTALS, 'recent-bytes', recentBytes)
  if bytes > mostRecentBytes then
    -- The oldest go by their number and the records' average size: to look at each would cost more than to write it.
    local length = redis.call('LLEN', RECENT)
    local gone = math.min(length, math.ceil((bytes - mostRecentBytes) * length / bytes))
    redis.call('LTRIM', RECENT, gone, -1)
    redis.call('HINCRBY', TOTALS, 'recent-bytes', -math.floor(gone * bytes / length))
  end
  if redis.call('HINCRBY', MINUTE, 'committed', committed) == committed then redis.call('PEXPIRE', MINUTE, 900000) end
end
for name, amount in pairs(totals) do redis.call('HINCRBY', TOTALS, name, amount) end

for _, followUp in ipairs(elsewhere) do
  local laneKey, queueKey, lane, record, receivedAt, answer = unpack(followUp)
  local number, place, turnToArm = append(laneKey, queueKey, keys, lane, record, receivedAt, now)
  places[#places + 1] = number .. ' ' .. place
  if turnToArm > 0 then add(answer, lane, turnToArm) end
end
if #places > 0 then recordAccepted(keys, places, longestLog) end
return answers
