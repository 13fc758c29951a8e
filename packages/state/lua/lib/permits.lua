-- The permits of an app: a token bucket on the clock of Redis, and a rate that decreases when WNS answers 406 or 429.
-- The bucket is a hash; every field that ends in AtMs or UntilMs is Redis time in milliseconds, with a fraction:
--   permits, refilledAtMs        permits that may be granted, and when they were counted
--   refusedRate, decreasedAtMs   the rate that WNS refused last, or a little less, and when it was decreased; absent at
--                                full rate
--   pausedUntilMs, pauseMs       nothing is granted until then; length of the last pause without a Retry-After
--   probeAtMs                    when the one post after a pause was granted; 0 = it may be granted; absent after its
--                                answer
--   climbingSinceMs              when that post was answered without 406 or 429; absent while pausing or probing
--   startRate                    the rate at which that climb starts
-- Each cycle of pause, climb and refusal costs more than a second, so the rate stays just below the refused one for
-- most of a cycle: it approaches that rate ever more slowly, then leaves it ever faster, to find out whether WNS takes
-- more.
local CLIMB_SECONDS = 1.5
local CLIMB_TO_WHEN_HELD = 0.95
local CLIMB_TO = 0.8
local HOLD_SECONDS = 30
local GROWTH_PER_SECOND_SQUARED = 0.01
-- A refusal after this time of climbing shows that the last refused rate is still about the limit: the rate decreases a
-- little. An earlier one shows that the limit is unknown or lower by now: it halves.
local HELD_SECONDS = 5
local DECREASE_WHEN_HELD = 0.9
local STAY_BELOW = 0.985
local MIN_RATE = 1

local function now_ms()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000
end

-- The bucket at `now`. If the clock of Redis stepped back, the times in the bucket are in the future, and a pause, a
-- probe or a refusal would last as much longer. The newest time was "now" when it was written: it shows the step.
local CLOCK_SLACK_MS = 1000
local function read_bucket(key, now)
  local fields = redis.call('HGETALL', key)
  local bucket = {}
  for at = 1, #fields, 2 do
    bucket[fields[at]] = tonumber(fields[at + 1])
  end
  local newest = 0
  for _, field in ipairs({ 'refilledAtMs', 'decreasedAtMs', 'probeAtMs', 'climbingSinceMs' }) do
    newest = math.max(newest, bucket[field] or 0)
  end
  local step = newest - now
  if step > CLOCK_SLACK_MS then
    for field, value in pairs(bucket) do
      if value > 0 and (string.find(field, 'AtMs$') or string.find(field, 'UntilMs$') or string.find(field, 'SinceMs$')) then
        bucket[field] = value - step
        redis.call('HSET', key, field, bucket[field])
      end
    end
  end
  return bucket
end

-- The rate at `now`: the lowered one after a decrease, then a fast climb to 95 % of the refused one (80 % where the
-- limit is unknown), a slow one to all of it, and from there a growing search for more.
local function effective_rate(bucket, configured, now)
  local refused = bucket.refusedRate
  if not refused then
    return configured
  end
  local low = math.max(bucket.startRate or refused / 2, math.min(MIN_RATE, configured))
  if not bucket.climbingSinceMs then
    return math.min(configured, low)
  end
  local seconds = math.max(0, now - bucket.climbingSinceMs) / 1000
  local held = low > refused / 2
  local high = math.max(low, refused * (held and CLIMB_TO_WHEN_HELD or CLIMB_TO))
  if seconds < CLIMB_SECONDS then
    return math.min(configured, low + (high - low) * seconds / CLIMB_SECONDS)
  end
  local left = 1 - (seconds - CLIMB_SECONDS) / HOLD_SECONDS
  if left > 0 then
    return math.min(configured, refused - (refused - high) * left ^ 3)
  end
  return math.min(configured, refused * (1 + GROWTH_PER_SECOND_SQUARED * (left * HOLD_SECONDS) ^ 2))
end

-- After a refusal at `rate`: the rate to approach from now on, and the rate at which to start.
local function after_refusal(bucket, rate, now)
  local climbing = bucket.climbingSinceMs and (now - bucket.climbingSinceMs) / 1000 or 0
  if climbing < HELD_SECONDS then return rate, rate / 2 end
  return rate * STAY_BELOW, rate * DECREASE_WHEN_HELD
end
