-- WNS refused a token: forget it, unless it was replaced already.
-- KEYS: 1 token: string   2 refusal: string   3 rejected lately: string
-- ARGV: 1 the sealed token, 2 '1' when WNS never accepted it, 3 JSON of a refusal, 4 ms to wait after such a refusal
-- A rejected token is replaced at once. If the new one was never accepted either, a fresh token does not help, and the
-- next request waits. So does every one after it while nothing was accepted: the mark outlives the wait.
-- Returns 1 when it was forgotten, 0 when another one is there or none.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
redis.call('DEL', KEYS[1])
if ARGV[2] == '1' and redis.call('EXISTS', KEYS[3]) == 1 then
  redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[4])
end
redis.call('SET', KEYS[3], '1', 'PX', ARGV[4] * 2)
return 1
