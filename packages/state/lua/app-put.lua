-- Create an app or replace its settings and credentials, in one step. Its state stays.
-- needs: events
-- KEYS[1] app: hash   KEYS[2] mark of a removed app   KEYS[3] token   KEYS[4] lease of the token
-- KEYS[5] refusal by the token service   KEYS[6] mark of a renewed token   KEYS[7] `<prefix>{<app>}:`
-- ARGV[1] settings   ARGV[2] credentials, both JSON   ARGV[3] identity: the client whose tokens these credentials get
-- ARGV[4] the API key that makes the app, or ''   ARGV[5] the revision that the app must have, or ''
-- Returns 1 if the app is new, -1 if it has another revision, else 0.
local app, identity = KEYS[1], ARGV[3]
if ARGV[5] ~= '' and redis.call('HGET', app, 'revision') ~= ARGV[5] then
  return -1
end
local state = redis.call('HGET', app, 'state')
local before = redis.call('HGET', app, 'identity')
-- A script is not rolled back when Redis refuses a command in it, so one command writes the whole app first.
redis.call('HSET', app, 'state', state or 'active', 'settings', ARGV[1], 'credentials', ARGV[2], 'identity', identity)
redis.call('HINCRBY', app, 'revision', 1)
if not state and ARGV[4] ~= '' then redis.call('HSET', app, 'createdBy', ARGV[4]) end
redis.call('UNLINK', KEYS[2])

-- The new credentials are tried at once, whatever the token service answered to the old ones.
local breaker = redis.call('HGET', app, 'breaker')
if breaker and string.find(breaker, '"kind":"credentials"', 1, true) then
  redis.call('HDEL', app, 'breaker')
  add_event(KEYS[7], 'breaker.closed', { kind = 'credentials' })
end
redis.call('UNLINK', KEYS[5], KEYS[6])
if before and before ~= identity then
  redis.call('UNLINK', KEYS[3], KEYS[4])
end
return state and 0 or 1
