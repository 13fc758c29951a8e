-- Record that a running process misses its data set. An existing record stays as it is.
-- KEYS[1] losses: hash, data set id → `missed <ms>` or `accepted <ms>`, Redis time   ARGV: 1 missed data set id
-- Returns 1 if the record is new, else 0.
local time = redis.call('TIME')
local at = time[1] .. string.format('%03d', math.floor(tonumber(time[2]) / 1000))
return redis.call('HSETNX', KEYS[1], ARGV[1], 'missed ' .. at)
