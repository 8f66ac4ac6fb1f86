-- Brings a timer that is due into its lane, as an event.
--
-- KEYS  1 timers  2 timer-events  3 ready  4 heads  5 lanes  6 log  7 totals  8 minute  9 lane  10 queue
-- ARGV  1 now in ms, '' for the server's clock  2 timer  3 lane  4 longest log, in entries  5 most events of a turn
-- Returns {'gone'}   cancelled, replaced by a later one, or fired already: nothing was done
--         {'fired', turn}  the next turn of the lane, or 0 when that will not come to the event, or is under way
--
-- A timer fires once: it leaves the timers in the step that gives its event a place.

local TIMERS, EVENTS = KEYS[1], KEYS[2]
local keys = { ready = KEYS[3], heads = KEYS[4], lanes = KEYS[5], log = KEYS[6], totals = KEYS[7], minute = KEYS[8] }
local laneKey, queueKey = KEYS[9], KEYS[10]
local now = clock(ARGV[1])
local timer, lane, longestLog = ARGV[2], ARGV[3], ARGV[4]

local due = tonumber(redis.call('ZSCORE', TIMERS, timer) or nil)
local record = redis.call('HGET', EVENTS, timer)
if not due or due > now or not record then return { 'gone' } end

local number, seq, turn = append(laneKey, queueKey, keys, lane, record, due, now)
redis.call('ZREM', TIMERS, timer)
redis.call('HDEL', EVENTS, timer)
recordAccepted(keys, { number .. ' ' .. seq }, longestLog)
if turn == 0 and redis.call('ZSCORE', keys.ready, lane) then
  local held = redis.call('HMGET', laneKey, 'turn', 'done')
  if seq - (tonumber(held[2]) or 0) <= tonumber(ARGV[5]) then turn = tonumber(held[1]) end
end
return { 'fired', turn }
