-- Store a fetched token and end the lease, if it still is the caller's: a late answer must not replace a newer token.
-- KEYS[1] token: string   KEYS[2] lease: string
-- ARGV: 1 nonce of the caller, 2 sealed token ('' = none was had, only end the lease), 3 its life in ms
-- Returns 1 when it was stored, else 0.
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  return 0
end
redis.call('DEL', KEYS[2])
if ARGV[2] == '' then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
