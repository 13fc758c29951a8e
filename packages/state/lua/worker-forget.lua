-- Remove a worker from the register, unless it has registered again.
-- KEYS[1] register of workers: hash   ARGV: 1 worker, 2 entry
-- Returns 1 if it was removed.
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
return redis.call('HDEL', KEYS[1], ARGV[1])
