-- Give up the lead. KEYS[1] lease   ARGV: 1 nonce   Returns 1 if it was held by this nonce.
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
