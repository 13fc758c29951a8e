-- Open or close the breaker of an app. The first reason stays until it is cleared, so that `since` stays right.
-- KEYS[1] app: hash
-- ARGV[1] 'open' or 'close'   ARGV[2] kind, '' closes any   ARGV[3] JSON to store when opening
-- Returns 1 if that changed something, else 0.
if redis.call('HEXISTS', KEYS[1], 'settings') == 0 then
  return 0
end
local current = redis.call('HGET', KEYS[1], 'breaker')
if ARGV[1] == 'open' then
  if current then
    return 0
  end
  redis.call('HSET', KEYS[1], 'breaker', ARGV[3])
else
  local marker = '"kind":"' .. ARGV[2] .. '"'
  if not current or (ARGV[2] ~= '' and not string.find(current, marker, 1, true)) then
    return 0
  end
  redis.call('HDEL', KEYS[1], 'breaker')
end
redis.call('HINCRBY', KEYS[1], 'revision', 1)
return 1
