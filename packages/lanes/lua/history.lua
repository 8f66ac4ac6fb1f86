-- Reads a stretch of a lane's history. Changes nothing.
--
-- KEYS  1 lane  2 history
-- ARGV  1 first position wanted  2 most items
-- Returns {position of the first item returned, 1 when more follow, item, item, …}

local LANE, HISTORY = KEYS[1], KEYS[2]
local wanted, most = tonumber(ARGV[1]), tonumber(ARGV[2])

local position = tonumber(redis.call('HGET', LANE, 'position')) or 0
local before = position - redis.call('LLEN', HISTORY)
local from = math.max(wanted - before - 1, 0)
local items = redis.call('LRANGE', HISTORY, from, from + most - 1)
local first = before + from + 1
return { first, first + #items <= position and 1 or 0, unpack(items) }
