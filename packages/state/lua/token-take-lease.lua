-- Read an app's shared token, and take the lease to fetch a new one where that is needed.
-- KEYS[1] token: string   KEYS[2] lease: string
-- ARGV: 1 nonce of the caller, 2 lease in ms, 3 a token known to be of no use any more ('' if none): only another one counts
-- Returns {token or '', 'leased' | 'held' | 'have'}: 'leased' = the caller fetches, 'held' = somebody else does.
local token = redis.call('GET', KEYS[1])
if token and token ~= ARGV[3] then
  return { token, 'have' }
end
if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then
  return { token or '', 'leased' }
end
return { token or '', 'held' }
