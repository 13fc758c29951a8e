-- A token was refused by WNS: forget it, unless it was replaced already.
-- KEYS[1] token: string   ARGV[1] the sealed token that was refused
-- Returns 1 when it was forgotten, 0 when another one is there or none.
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
