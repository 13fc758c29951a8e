-- The post after a pause got an answer other than 406 and 429: the rate climbs from now on.
-- needs: permits
-- KEYS[1] bucket (see lib/permits)     ARGV[1] when that post was permitted (ms)
-- Returns 1 when this call ended the probe, 0 when it had ended before.
local key = KEYS[1]
local now = now_ms()
local bucket = read_bucket(key, now)
if not bucket.probeAtMs or bucket.probeAtMs == 0 or tonumber(ARGV[1]) < bucket.probeAtMs - 1 then
  return 0
end
redis.call('HDEL', key, 'probeAtMs', 'pauseMs')
redis.call('HSET', key, 'climbingSinceMs', now, 'permits', 0, 'refilledAtMs', now)
return 1
