-- The audience is frozen: from now on the campaign sends.
-- KEYS[1] `<prefix>{<app>}:`   KEYS[2] the campaign's key   KEYS[3] draft: bitmap, the audience as it was evaluated
-- ARGV: 1 audience size, 2 unknown channels or ''
-- Returns {state}. Idempotent: an audience that is frozen stays, and a draft that comes later is thrown away. A launch
-- that was taken for dead may end when batches of the first one are sent already; their range must go on to fit.
local base, campaign, draft = KEYS[1], KEYS[2], KEYS[3]
local c = redis.pcall('HMGET', campaign, 'state', 'size', 'v', 'expires')
local wrong = wrong_campaign(c, c[3], c[1], c[4])
if wrong then return wrong end
if not c[1] or c[2] then
  redis.call('DEL', draft)
  return { c[1] or 'missing' }
end
if redis.call('EXISTS', draft) == 1 then
  redis.call('RENAME', draft, campaign .. ':targets')
  redis.call('PERSIST', campaign .. ':targets')
end
redis.call('HSET', campaign, 'size', ARGV[1])
if ARGV[2] ~= '' then redis.call('HSET', campaign, 'unknown', ARGV[2]) end
if c[1] == 'scheduled' then
  redis.call('HSET', campaign, 'state', 'sending', 'started', now_ms())
  redis.call('HDEL', campaign, 'reason')
  return { 'sending' }
end
return { c[1] }
