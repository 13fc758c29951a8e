-- Change fields of an app that exists, and count the change.
-- KEYS[1] app: hash     ARGV: field, value, … ('' removes the field)
-- Returns the new revision; 0 when there is no such app, and nothing is changed then.
if redis.call('HEXISTS', KEYS[1], 'settings') == 0 then
  return 0
end
for at = 1, #ARGV, 2 do
  if ARGV[at + 1] == '' then
    redis.call('HDEL', KEYS[1], ARGV[at])
  else
    redis.call('HSET', KEYS[1], ARGV[at], ARGV[at + 1])
  end
end
return redis.call('HINCRBY', KEYS[1], 'revision', 1)
