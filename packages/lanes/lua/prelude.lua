-- Stands before every script.

-- Epoch milliseconds: the server's clock, or the caller's where a test sets the time.
local function clock(override)
  if override ~= '' then return tonumber(override) end
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
