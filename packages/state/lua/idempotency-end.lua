-- Store the answer of a request, or forget the request. Only its owner may do so.
-- KEYS[1] record     ARGV: 1 nonce of the owner, 2 status ('' = forget), 3 body, 4 seconds the record lives
-- Returns 1 if the caller is the owner, else 0.
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then
  return 0
end
if ARGV[2] == '' then
  redis.call('DEL', KEYS[1])
else
  redis.call('HSET', KEYS[1], 'status', ARGV[2], 'body', ARGV[3])
  redis.call('HDEL', KEYS[1], 'owner')
  redis.call('EXPIRE', KEYS[1], ARGV[4])
end
return 1
