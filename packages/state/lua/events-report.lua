-- Report the removed channels of an app that wait for it, and drop events that are too old.
-- needs: read events
-- KEYS[1] `<prefix>{<app>}:`   KEYS[2] events: stream   ARGV: 1 age in ms after which an event is dropped
-- Returns the number of channels that were reported.
local base = KEYS[1]
local waiting = redis.pcall('LLEN', base .. 'removed')
if type(waiting) == 'table' then
  redis.call('DEL', base .. 'removed')
  waiting = 0
end
local reported = waiting > 0 and report_removed(base) or 0
if redis.call('TYPE', KEYS[2]).ok == 'stream' then
  local newest = tonumber(string.match(newest_event(KEYS[2]), '^%d+'))
  redis.call('XTRIM', KEYS[2], 'MINID', '~', string.format('%.0f', math.min(newest, now_ms() - tonumber(ARGV[1]))))
end
return reported
