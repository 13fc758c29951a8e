-- Replace a list by a bitmap that is complete.
-- KEYS[1] draft: bitmap   KEYS[2] list: bitmap   KEYS[3] info of the list: hash
-- ARGV[1] seconds that the list lives   ARGV[2] number of unknown ids   ARGV[3] now in ms
-- Returns the number of channels in the list.
redis.call('RENAME', KEYS[1], KEYS[2])
redis.call('EXPIRE', KEYS[2], ARGV[1])
redis.call('HSET', KEYS[3], 'unknown', ARGV[2], 'updatedAtMs', ARGV[3])
redis.call('EXPIRE', KEYS[3], ARGV[1])
return redis.call('BITCOUNT', KEYS[2])
