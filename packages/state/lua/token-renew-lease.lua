-- Renew a lease while the request to the token service is under way.
-- KEYS: 1 lease: string   ARGV: 1 nonce of the caller, 2 lease in ms
-- Returns 1, or 0 if the lease is not the caller's any more.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
