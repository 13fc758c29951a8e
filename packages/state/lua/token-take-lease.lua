-- Read an app's shared token, or take the lease to fetch a new one.
-- KEYS: 1 token: string   2 lease: string   3 refusal: string
-- ARGV: 1 nonce of the caller, 2 lease in ms, 3 a sealed token that is no longer usable, or ''
-- Returns one of
--   {'have', sealed token, remaining lifetime in ms}
--   {'refused', JSON of the refusal, ms until the next request to the token service}
--   {'leased'}  the caller fetches now
--   {'held', ms}  another process fetches, for this long at most
local token = redis.call('GET', KEYS[1])
if token and token ~= ARGV[3] then
  return { 'have', token, redis.call('PTTL', KEYS[1]) }
end
local refusal = redis.call('GET', KEYS[3])
if refusal then
  return { 'refused', refusal, redis.call('PTTL', KEYS[3]) }
end
if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then
  return { 'leased' }
end
return { 'held', redis.call('PTTL', KEYS[2]) }
