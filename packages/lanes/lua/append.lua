-- Shared by the steps that give an event its place in a lane.
--
-- Invariant: a lane that holds events is armed (has a turn coming), unless an operator or a failure holds it. Reads come before
-- writes, and the append before everything that depends on it.
--
-- `record` goes into the lane behind its seq; returns the lane's number, the event's seq, and the turn to arm or 0.

local function append(laneKey, queueKey, keys, lane, record, receivedAt, now)
  local held = redis.call('HMGET', laneKey, 'no', 'armed', 'turn', 'seq', 'done', 'paused', 'blocked')
  local number = tonumber(held[1])
  local seq = (tonumber(held[4]) or 0) + 1
  redis.call('RPUSH', queueKey, seq .. ' ' .. record)
  if not number then
    number = redis.call('RPUSH', keys.lanes, lane)
    redis.call('HSET', laneKey, 'no', number)
  end
  redis.call('HSET', laneKey, 'seq', seq)
  if seq == (tonumber(held[5]) or 0) + 1 then redis.call('ZADD', keys.heads, receivedAt, lane) end
  if held[2] or held[6] or held[7] then return number, seq, 0 end
  local turn = (tonumber(held[3]) or 0) + 1
  redis.call('HSET', laneKey, 'armed', 1, 'turn', turn)
  redis.call('ZADD', keys.ready, now, lane)
  return number, seq, turn
end

-- Tells the counters and the log of received events; `places` are `number seq`.
local function recordAccepted(keys, places, longestLog)
  redis.call('XADD', keys.log, 'MAXLEN', '~', longestLog, '*', 'events', table.concat(places, ','))
  redis.call('HINCRBY', keys.totals, 'accepted', #places)
  if redis.call('HINCRBY', keys.minute, 'accepted', #places) == #places then redis.call('PEXPIRE', keys.minute, 900000) end
end
