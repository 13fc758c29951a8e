-- Hold on to a lease while the token service takes its time.
-- KEYS: 1 lease: string   ARGV: 1 nonce of the caller, 2 lease in ms
-- Returns 1, or 0 when the lease is not the caller's any more.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
