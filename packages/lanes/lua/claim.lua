-- Takes lanes, each for one turn, and reads their heads.
--
-- KEYS  1 ready  2 running  3 retrying  4 held, then for each lane: lane, queue, replays
-- ARGV  1 now in ms, '' for the server's clock  2 number of lanes  3 most bytes of heads
--       4 crashes from which on a lane is let in alone  5 '1' when the caller has no such lane in work
--       then for each lane: lane, turn, fence, lease in ms
-- Returns for each lane {'stale'}  the turn is over, or the lane is idle
--                       {'busy'}   another run owns the lane
--                       {'wait', turn to arm, ms until then}   the head may not be attempted yet, or not beside others that crashed
--                       {'held'}   paused or blocked; the lane is disarmed
--                       {'run' or 'replay', lane number, failed attempts of the head, crashes, head, further events that may be taken}
--                       {'later'}  the bytes are spent: nothing was done
--         A replay is one dead letter, put back before everything that waits.
--
-- Invariant: while a lease lives, nobody but the holder of the fence can change the lane. Of the lanes that were in work when their worker
-- ended, twice, a worker is given one at a time: what ends it then counts a crash for that one, and not for the others. Runs when memory is
-- full: the first write needs none, which allows the others.

local READY, RUNNING, RETRYING, HELD = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local now = clock(ARGV[1])
local count, bytesLeft = tonumber(ARGV[2]), tonumber(ARGV[3])
local crashesBeforeAlone, mayTakeOneAlone = tonumber(ARGV[4]), ARGV[5] == '1'
local ALONE_WAIT_MS = 1000

local function disarm(laneKey, lane)
  redis.call('HDEL', laneKey, 'armed', 'lease', 'notbefore')
  redis.call('ZREM', READY, lane)
  redis.call('ZREM', RUNNING, lane)
  redis.call('ZREM', RETRYING, lane)
end

-- The head may not be attempted before then.
local function wait(laneKey, lane, turn, notBefore)
  redis.call('ZREM', READY, lane)
  redis.call('ZREM', RUNNING, lane)
  redis.call('HDEL', laneKey, 'lease')
  redis.call('HSET', laneKey, 'turn', turn + 1, 'notbefore', notBefore)
  redis.call('ZADD', RETRYING, notBefore, lane)
  return { 'wait', turn + 1, notBefore - now }
end

local answers, names, runs, leases, letIn = {}, {}, {}, {}, {}
for i = 1, count do
  local k, a = 2 + 3 * i, 2 + 4 * i
  local laneKey, lane, turn, fence = KEYS[k], ARGV[a], tonumber(ARGV[a + 1]), ARGV[a + 2]
  local held = redis.call(
    'HMGET', laneKey, 'armed', 'turn', 'fence', 'lease', 'notbefore', 'paused', 'blocked', 'no', 'attempts', 'crashes', 'seq', 'done'
  )
  local replay = redis.call('ZRANGE', KEYS[k + 2], 0, 0)[1]
  local head = replay or redis.call('LINDEX', KEYS[k + 1], 0)
  if not held[1] or tonumber(held[2]) ~= turn then
    answers[i] = { 'stale' }
  elseif letIn[lane] or held[4] and held[3] ~= fence and tonumber(held[4]) > now then
    answers[i] = { 'busy' }
  elseif held[6] or held[7] then
    disarm(laneKey, lane)
    redis.call('HSET', HELD, lane, held[7] and 'blocked' or 'paused')
    answers[i] = { 'held' }
  elseif not replay and held[5] and tonumber(held[5]) > now then
    answers[i] = wait(laneKey, lane, turn, tonumber(held[5]))
  elseif not head then
    disarm(laneKey, lane)
    answers[i] = { 'stale' }
  elseif #runs > 0 and #head > bytesLeft then
    answers[i] = { 'later' }
  else
    -- A run of the same turn that still has its lease ended without a word.
    local crashes = (tonumber(held[10]) or 0) + (held[4] and held[3] ~= fence and 1 or 0)
    local alone = crashes >= crashesBeforeAlone
    if alone and not mayTakeOneAlone then
      answers[i] = wait(laneKey, lane, turn, now + ALONE_WAIT_MS)
      redis.call('HSET', laneKey, 'crashes', crashes)
    else
      if alone then mayTakeOneAlone = false end
      bytesLeft = bytesLeft - #head
      letIn[lane] = true
      names[#names + 1] = lane
      runs[#runs + 1] = { i = i, held = held, replay = replay, head = head, crashes = crashes }
    end
  end
end

if #runs > 0 then
  redis.call('ZREM', READY, unpack(names))
  redis.call('ZREM', RETRYING, unpack(names))
end
for _, run in ipairs(runs) do
  local i, held = run.i, run.held
  local laneKey, lane, fence, lease = KEYS[2 + 3 * i], ARGV[2 + 4 * i], ARGV[4 + 4 * i], now + tonumber(ARGV[5 + 4 * i])
  local further = math.max(0, (tonumber(held[11]) or 0) - (tonumber(held[12]) or 0) - 1)
  if run.replay or run.crashes >= crashesBeforeAlone then further = 0 end
  redis.call('HSET', laneKey, 'fence', fence, 'lease', lease)
  if run.crashes > 0 then redis.call('HSET', laneKey, 'crashes', run.crashes) end
  leases[#leases + 1] = lease
  leases[#leases + 1] = lane
  answers[i] = { run.replay and 'replay' or 'run', tonumber(held[8]), tonumber(held[9]) or 0, run.crashes, run.head, further }
end
if #runs > 0 then redis.call('ZADD', RUNNING, unpack(leases)) end
return answers
