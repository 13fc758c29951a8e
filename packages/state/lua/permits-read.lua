-- How fast an app may post now; changes nothing.
-- KEYS[1] bucket   ARGV: 1 configured rate
-- Returns {effective rate, paused until (Redis ms) or 0}, as texts.
local bucket, now = read_bucket(KEYS[1]), now_ms()
local paused = bucket.pausedUntilMs or 0
if paused <= now then
  paused = 0
end
return { tostring(effective_rate(bucket, tonumber(ARGV[1]), now)), tostring(math.ceil(paused)) }
