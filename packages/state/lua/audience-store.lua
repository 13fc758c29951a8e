-- Put a bitmap that is complete in its place, without expiry.
-- KEYS[1] draft: bitmap   KEYS[2] destination: bitmap, replaced
-- Returns 1.
redis.call('RENAME', KEYS[1], KEYS[2])
redis.call('PERSIST', KEYS[2])
return 1
