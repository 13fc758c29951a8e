-- Open or close the breaker of an app. The first reason stays until it is cleared, so that `since` stays right.
-- needs: events
-- KEYS[1] `<prefix>{<app>}:`   KEYS[2] app: hash
-- ARGV[1] 'open' or 'close'   ARGV[2] kind, '' closes any   ARGV[3] JSON to store when opening
-- Returns 1 if that changed something, else 0.
if redis.call('HEXISTS', KEYS[2], 'settings') == 0 then
  return 0
end
local current = redis.call('HGET', KEYS[2], 'breaker')
if ARGV[1] == 'open' then
  if current then
    return 0
  end
  redis.call('HSET', KEYS[2], 'breaker', ARGV[3])
  local opened = cjson.decode(ARGV[3])
  add_event(KEYS[1], 'breaker.opened', { kind = opened.kind, reason = opened.reason })
else
  local marker = '"kind":"' .. ARGV[2] .. '"'
  if not current or (ARGV[2] ~= '' and not string.find(current, marker, 1, true)) then
    return 0
  end
  redis.call('HDEL', KEYS[2], 'breaker')
  add_event(KEYS[1], 'breaker.closed', { kind = cjson.decode(current).kind })
end
redis.call('HINCRBY', KEYS[2], 'revision', 1)
return 1
