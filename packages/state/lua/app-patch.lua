-- Replace the settings of an app if they are still those that the change was made from.
-- KEYS[1] app: hash     ARGV[1] settings before   ARGV[2] settings now, both JSON
-- ARGV[3] the revision that the app must have, or ''
-- Returns 1, or 0 when the settings or the revision are others or there is no such app; nothing is changed then.
if redis.call('HGET', KEYS[1], 'settings') ~= ARGV[1] then
  return 0
end
if ARGV[3] ~= '' and redis.call('HGET', KEYS[1], 'revision') ~= ARGV[3] then
  return 0
end
redis.call('HSET', KEYS[1], 'settings', ARGV[2])
redis.call('HINCRBY', KEYS[1], 'revision', 1)
return 1
