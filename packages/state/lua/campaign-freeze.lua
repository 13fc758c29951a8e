-- The audience is frozen: from now on the campaign sends.
-- KEYS[1] `<prefix>{<app>}:`   KEYS[2] the campaign's key   ARGV: 1 audience size, 2 unknown channels or ''
-- Returns {state}. Idempotent: a size that is set stays.
local base, campaign = KEYS[1], KEYS[2]
local c = redis.call('HMGET', campaign, 'state', 'size')
if not c[1] then return { 'missing' } end
if c[2] then return { c[1] } end
redis.call('HSET', campaign, 'size', ARGV[1])
if ARGV[2] ~= '' then redis.call('HSET', campaign, 'unknown', ARGV[2]) end
if c[1] == 'scheduled' then
  redis.call('HSET', campaign, 'state', 'sending', 'started', now_ms())
  redis.call('HDEL', campaign, 'reason')
  return { 'sending' }
end
return { c[1] }
