-- End a lease with its result, if it is still the caller's: a late answer must not replace a newer token.
-- KEYS: 1 token: string   2 lease: string   3 refusal: string
-- ARGV: 1 nonce of the caller, 2 'token' | 'refusal', 3 sealed token | JSON of the refusal, 4 its lifetime in ms
-- Returns 1 if the result was stored, else 0.
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  return 0
end
redis.call('DEL', KEYS[2])
if ARGV[2] == 'token' then
  redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
  redis.call('DEL', KEYS[3])
else
  redis.call('SET', KEYS[3], ARGV[3], 'PX', ARGV[4])
end
return 1
