-- WNS answered 406 or 429 to a post: decrease the rate once and pause.
-- needs: permits
-- KEYS[1] bucket (see lib/permits)
-- ARGV: 1 when the refused post was permitted (ms), 2 configured rate per second, 3 Retry-After in ms, '' if none,
--       4 shortest and 5 longest Retry-After, 6 first and 7 longest pause without one (ms)
-- Returns {1 when the rate was decreased else 0, pausedUntilMs or 0, effective rate as text,
--          last decrease in ms as text}.
local key, configured = KEYS[1], tonumber(ARGV[2])
local permittedAt, retryAfter = tonumber(ARGV[1]), tonumber(ARGV[3])
local now = now_ms()
local bucket = read_bucket(key, now)
local rate = effective_rate(bucket, configured, now)
local decreasedAt = bucket.decreasedAtMs or 0

-- The refusal of a post permitted before the last decrease is no news. All workers together decrease once a second.
local isProbe = bucket.probeAtMs and bucket.probeAtMs > 0 and permittedAt >= bucket.probeAtMs - 1
if permittedAt <= decreasedAt or (now - decreasedAt < 1000 and not isProbe) then
  return { 0, math.ceil(bucket.pausedUntilMs or 0), string.format('%.3f', rate), string.format('%.3f', decreasedAt) }
end

local pause = tonumber(ARGV[6])
if isProbe and bucket.pauseMs then
  pause = math.min(bucket.pauseMs * 2, tonumber(ARGV[7]))
end
local ownPause = pause
if retryAfter then
  pause = math.max(tonumber(ARGV[4]), math.min(retryAfter, tonumber(ARGV[5])))
end
-- A refused probe was one post: the rate that was refused is still the one from before the pause.
local refused, start = bucket.refusedRate, rate
if not isProbe or not refused then refused, start = after_refusal(bucket, rate, now) end
redis.call('HSET', key, 'refusedRate', refused, 'startRate', start, 'decreasedAtMs', now, 'pausedUntilMs', now + pause, 'pauseMs', ownPause,
  'probeAtMs', 0, 'permits', 0, 'refilledAtMs', now)
redis.call('HDEL', key, 'climbingSinceMs')
bucket.refusedRate, bucket.startRate, bucket.climbingSinceMs = refused, start, nil
local decreased = effective_rate(bucket, configured, now)
return { 1, math.ceil(now + pause), string.format('%.3f', decreased), string.format('%.3f', now) }
