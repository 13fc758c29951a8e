-- Note that a running process misses its data set. What is noted already stays as it is.
-- KEYS[1] losses: hash, data set id → `missed <ms>` or `accepted <ms>`, Redis time   ARGV: 1 data set id that is missed
-- Returns 1 when it was new, else 0.
local time = redis.call('TIME')
local at = time[1] .. string.format('%03d', math.floor(tonumber(time[2]) / 1000))
return redis.call('HSETNX', KEYS[1], ARGV[1], 'missed ' .. at)
