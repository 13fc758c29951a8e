-- Note which occurrence of a schedule was run last; a schedule that is gone leaves nothing behind.
-- KEYS[1] schedules: hash    ARGV: schedule, its field for the last run, occurrenceMs
-- Returns 1 when it was noted, 0 when the schedule is gone or a later occurrence was run already.
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
local last = tonumber(redis.call('HGET', KEYS[1], ARGV[2]) or '0')
if last >= tonumber(ARGV[3]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
return 1
