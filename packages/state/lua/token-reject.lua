-- WNS refused a token: forget it, unless it was replaced already.
-- KEYS: 1 token: string   2 refusal: string   3 rejected: string
-- ARGV: 1 the sealed token, 2 '1' when WNS never accepted it, 3 JSON of a refusal, 4 ms within which one unused token may be rejected
-- The first unused one that is rejected is replaced at once; the next within that time waits for its end, since a
-- fresh token does not help an app whose fresh tokens are rejected.
-- Returns 1 when it was forgotten, 0 when another one is there or none.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
redis.call('DEL', KEYS[1])
if ARGV[2] == '1' and not redis.call('SET', KEYS[3], '1', 'NX', 'PX', ARGV[4]) then
  redis.call('SET', KEYS[2], ARGV[3], 'PX', math.max(1, redis.call('PTTL', KEYS[3])))
end
return 1
