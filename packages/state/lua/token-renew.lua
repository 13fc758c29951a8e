-- Remove a token that WNS rejected, so that it is replaced: at most once per interval for the app.
-- KEYS: 1 token: string   2 renewed lately: string
-- ARGV: 1 the sealed token that was rejected, 2 ms between two renewals
-- Returns {replace 0|1, ms until the next renewal (0 = at once)}. Replace: the caller must get another token. It keeps
-- the rejected one if that was renewed within the interval, since another request would not help.
local current, wait = redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[2])
if current ~= ARGV[1] then
  return { 1, math.max(wait, 0) }
end
if wait > 0 then
  return { 0, wait }
end
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[2], '1', 'PX', ARGV[2])
return { 1, tonumber(ARGV[2]) }
