-- Read an app's shared token, and take the lease to fetch a new one where that is needed.
-- KEYS: 1 token: string   2 lease: string   3 refusal: string
-- ARGV: 1 nonce of the caller, 2 lease in ms, 3 a sealed token that is of no use ('' if none): only another one counts
-- Returns one of
--   {'have', sealed token, ms it still lives}
--   {'refused', JSON of the refusal, ms until anybody asks again}
--   {'leased'}  the caller fetches now
--   {'held', ms}  somebody else does, for so long at the most
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
