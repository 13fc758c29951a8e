-- Note which occurrence of a schedule was run last; a schedule that is gone leaves nothing behind.
-- needs: events
-- KEYS[1] `<prefix>{<app>}:`   KEYS[2] schedules: hash
-- ARGV: schedule, its field for the last run, occurrenceMs; then the type and the data (JSON) of the event that reports
--   why it did not run, if it did not
-- Returns 1 when it was noted, 0 when the schedule is gone or a later occurrence was run already.
if redis.call('HEXISTS', KEYS[2], ARGV[1]) == 0 then return 0 end
local last = tonumber(redis.call('HGET', KEYS[2], ARGV[2]) or '0')
if last >= tonumber(ARGV[3]) then return 0 end
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
if ARGV[4] then add_event(KEYS[1], ARGV[4], cjson.decode(ARGV[5])) end
return 1
