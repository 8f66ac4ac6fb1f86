-- Makes a batch of events durable: each is appended to its lane, or kept as a dead letter when it is quarantined.
--
-- KEYS  1 ready  2 heads  3 lanes  4 log  5 totals  6 minute  7 dead  8 dead-bodies  9 dead-index
--       then for each event: lane, queue, body, and for each of its ids the four slices that may remember it
--       (next, current, previous, the one before)
-- ARGV  1 now in ms, '' for the server's clock  2 number of events  3 longest log, in entries
--       then for each event: lane, record, body kept apart or '', received at, quarantine description or '',
--       window in seconds, ms until a slice may go, shard, number of ids, the digests of the ids
-- Returns for each event {'accepted', lane, turn to arm or 0} | {'duplicate'} | {'failed', message}
--
-- Nothing is rolled back in Lua, so an event's reads come before its writes, the append comes before the id is remembered, and
-- one event's error stays its own.

local keys = { ready = KEYS[1], heads = KEYS[2], lanes = KEYS[3], log = KEYS[4], totals = KEYS[5], minute = KEYS[6] }
local DEAD, DEAD_BODIES, DEAD_INDEX = KEYS[7], KEYS[8], KEYS[9]
local now = clock(ARGV[1])
local count, longestLog = tonumber(ARGV[2]), ARGV[3]
local second = math.floor(now / 1000) % 16777216

-- A clock that was set back by less than this, in seconds, forgets no id.
local CLOCK_MAY_GO_BACK = 86400

-- A remembered id is the lane's number (0: a dead letter), the event's seq and the second, 12 bytes.
local function pack(number, seq)
  return struct.pack('>I4I2I3I3', number, math.floor(seq / 16777216), seq % 16777216, second)
end

local function remembered(firstSlice, digest, window)
  for slice = firstSlice, firstSlice + 3 do
    local value = redis.call('HGET', KEYS[slice], digest)
    if value then
      local at = struct.unpack('>I3', string.sub(value, 10, 12))
      local age = (second - at) % 16777216
      if age < window or age >= 16777216 - CLOCK_MAY_GO_BACK then return value end
    end
  end
  return nil
end

local function remember(firstSlice, digest, value, lifeMs)
  local current = KEYS[firstSlice + 1]
  redis.call('HSET', current, digest, value)
  if redis.call('HLEN', current) == 1 then redis.call('PEXPIRE', current, lifeMs) end
end

local accepted = {}

local function acceptOne(k, a)
  local laneKey, queueKey, bodyKey = KEYS[k], KEYS[k + 1], KEYS[k + 2]
  local lane, record, body, receivedAt, quarantine = ARGV[a], ARGV[a + 1], ARGV[a + 2], ARGV[a + 3], ARGV[a + 4]
  local window, lifeMs, shard, ids = tonumber(ARGV[a + 5]), ARGV[a + 6], ARGV[a + 7], tonumber(ARGV[a + 8])

  local known
  for i = 0, ids - 1 do
    known = known or remembered(k + 3 + 4 * i, ARGV[a + 9 + i], window)
  end
  if known then
    -- A copy under a new id is the same event: the copy's id must find it too.
    for i = 0, ids - 1 do
      if not remembered(k + 3 + 4 * i, ARGV[a + 9 + i], window) then
        remember(k + 3 + 4 * i, ARGV[a + 9 + i], string.sub(known, 1, 9) .. struct.pack('>I3', second), lifeMs)
      end
    end
    -- A write, also here: a caller that then waits for replicas must wait for those that hold the event.
    pcall(redis.call, 'HINCRBY', keys.totals, 'duplicates', 1)
    return { 'duplicate' }
  end

  local number, seq, turnToArm = 0, 0, 0
  if quarantine ~= '' then
    seq = redis.call('HINCRBY', keys.totals, 'quarantined', 1)
    local id = shard .. '.0.' .. seq
    redis.call('HSET', DEAD_BODIES, id, '0 ' .. record)
    redis.call('HSET', DEAD, id, quarantine)
    redis.call('ZADD', DEAD_INDEX, now, id)
  else
    if body ~= '' then redis.call('SET', bodyKey, body) end
    number, seq, turnToArm = append(laneKey, queueKey, keys, lane, record, receivedAt, now)
  end

  local value = pack(number, seq)
  for i = 0, ids - 1 do
    remember(k + 3 + 4 * i, ARGV[a + 9 + i], value, lifeMs)
  end
  accepted[#accepted + 1] = number .. ' ' .. seq
  return { 'accepted', lane, turnToArm }
end

local results = {}
local k, a = 10, 4
for i = 1, count do
  local ids = tonumber(ARGV[a + 8])
  local ok, result = pcall(acceptOne, k, a)
  if ok then
    results[i] = result
  else
    results[i] = { 'failed', type(result) == 'table' and result.err or tostring(result) }
  end
  k = k + 3 + 4 * ids
  a = a + 9 + ids
end

if #accepted > 0 then recordAccepted(keys, accepted, longestLog) end
return results
