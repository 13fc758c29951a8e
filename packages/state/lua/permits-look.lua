-- The effective rate of an app, without taking a permit.
-- needs: permits
-- KEYS[1] bucket (see lib/permits)     ARGV[1] configured rate per second
-- Returns {effective rate as text, pausedUntilMs or 0}.
local now = now_ms()
local bucket = read_bucket(KEYS[1], now)
local paused = bucket.pausedUntilMs and bucket.pausedUntilMs > now and bucket.pausedUntilMs or 0
return { string.format('%.3f', effective_rate(bucket, tonumber(ARGV[1]), now)), math.ceil(paused) }
