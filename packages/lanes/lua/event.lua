-- Finds where one event of a lane stands. Changes nothing.
--
-- KEYS  1 lane  2 queue  3 replays  4 history  5 replayed  6 kept  7 recent  8 totals
-- ARGV  1 seq
-- Returns {'waiting', element, failed attempts, not before or '', error or ''}
--         {'committed', history item, element or '', kept body or ''}
--         {'unknown'}   never there, or gone from the bounded history

local LANE, QUEUE, REPLAYS, HISTORY, REPLAYED = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local KEPT, RECENT, TOTALS = KEYS[6], KEYS[7], KEYS[8]
local seq = tonumber(ARGV[1])

local held = redis.call('HMGET', LANE, 'seq', 'done', 'position', 'attempts', 'notbefore', 'error')
local last, done, position = tonumber(held[1]) or 0, tonumber(held[2]) or 0, tonumber(held[3]) or 0
if seq > last then return { 'unknown' } end
if seq > done then
  local element = redis.call('LINDEX', QUEUE, seq - done - 1)
  if not element then return { 'unknown' } end
  local head = seq == done + 1
  return { 'waiting', element, head and tonumber(held[4]) or 0, head and held[5] or '', head and held[6] or '' }
end

local replay = redis.call('ZRANGEBYSCORE', REPLAYS, seq, seq)[1]
if replay then return { 'waiting', replay, 0, '', '' } end

-- Without replays an event's position is its seq, and each replay before it moved it on by one; a replay's own is remembered.
local before = position - redis.call('LLEN', HISTORY)
local replayedAt = tonumber(redis.call('HGET', REPLAYED, seq))
local from = math.max((replayedAt or seq) - before - 1, 0)
local item
for _, candidate in ipairs(redis.call('LRANGE', HISTORY, from, from + (replayedAt and 0 or position - done))) do
  item = item or tonumber(string.match(candidate, '^%d+ (%d+)')) == seq and candidate
end
if not item then return { 'unknown' } end
local recentNumber = tonumber(string.match(item, '^%d+ %d+ (%d+)'))
local lastRecent = tonumber(redis.call('HGET', TOTALS, 'recent')) or 0
local behind = lastRecent - recentNumber + 1
local element = ''
if behind <= redis.call('LLEN', RECENT) then element = redis.call('LINDEX', RECENT, -behind) or '' end
if string.match(element, '^%d+') ~= ARGV[1] then element = '' end
return { 'committed', item, element, redis.call('HGET', KEPT, seq) or '' }
