-- Take up to `wanted` permits of an app. A permit is never given back: an unused one lapses.
-- needs: permits shares
-- KEYS[1] bucket (see lib/permits)   KEYS[2] shares (see lib/shares)
-- ARGV: 1 wanted, 2 configured rate per second, 3 burst, 4 ms after which a probe is lost,
--       5 campaign and 6 its weight, where the campaigns of the app share its permits
-- Returns {granted, waitMs, effective rate as text, pausedUntilMs or 0, nowMs as text, probe 0|1, active campaigns};
-- waitMs is 0 when anything was granted, else when to ask again.
local MAX_WAIT_FOR_SEVERAL_MS = 50
local key = KEYS[1]
local wanted, configured = tonumber(ARGV[1]), tonumber(ARGV[2])
local burst, probeLostMs = tonumber(ARGV[3]), tonumber(ARGV[4])
local campaign, weight = ARGV[5], tonumber(ARGV[6])
local now = now_ms()
local bucket = read_bucket(key, now)
local rate = effective_rate(bucket, configured, now)

local active = 1
local function answer(granted, waitMs, probe)
  return { granted, math.ceil(waitMs), string.format('%.3f', rate), math.ceil(bucket.pausedUntilMs or 0),
    string.format('%.3f', now), probe or 0, active }
end

if bucket.pausedUntilMs and now < bucket.pausedUntilMs then
  return answer(0, bucket.pausedUntilMs - now)
end
if bucket.probeAtMs then
  -- The pause has ended: one post probes whether WNS accepts posts again.
  if bucket.probeAtMs > 0 and now - bucket.probeAtMs < probeLostMs then
    return answer(0, MAX_WAIT_FOR_SEVERAL_MS)
  end
  redis.call('HSET', key, 'probeAtMs', now, 'permits', 0, 'refilledAtMs', now)
  redis.call('HDEL', key, 'pausedUntilMs')
  return answer(1, 0, 1)
end

if bucket.refusedRate and bucket.climbingSinceMs and rate >= configured then
  redis.call('HDEL', key, 'refusedRate', 'startRate', 'decreasedAtMs', 'climbingSinceMs', 'pauseMs')
end
-- The burst shrinks with the rate, to no less than one permit.
local room = math.max(1, burst * rate / configured)
local elapsedMs = math.max(0, now - (bucket.refilledAtMs or now))
local permits = math.min(room, (bucket.permits or room) + elapsedMs * rate / 1000)
local available = math.floor(permits)
local granted = math.min(wanted, available)
if campaign then
  granted, active = take_share(KEYS[2], campaign, weight, wanted, available, now, rate)
end
redis.call('HSET', key, 'permits', permits - granted, 'refilledAtMs', now)
if granted > 0 then
  return answer(granted, 0)
end
-- The permits that are there are due to other campaigns.
permits = permits - available
-- Wait for several permits rather than for one, unless one alone takes longer.
local oneMs = (1 - permits) * 1000 / rate
local severalMs = (math.min(wanted, math.max(1, math.floor(room))) - permits) * 1000 / rate
return answer(0, math.max(1, oneMs, math.min(severalMs, MAX_WAIT_FOR_SEVERAL_MS)))
