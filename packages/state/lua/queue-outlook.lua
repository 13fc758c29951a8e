-- When a queue of BullMQ needs a worker next, in one step: a job that moves between the lists is counted once.
-- KEYS: 1 wait (list), 2 prioritized (sorted set), 3 active (list), 4 delayed (sorted set)
-- Returns {jobs that wait or run, score of the delayed job that is due first or ''}.
local first = redis.call('ZRANGE', KEYS[4], 0, 0, 'WITHSCORES')
return {
  redis.call('LLEN', KEYS[1]) + redis.call('ZCARD', KEYS[2]) + redis.call('LLEN', KEYS[3]),
  first[2] or '',
}
