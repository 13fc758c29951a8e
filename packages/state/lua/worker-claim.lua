-- Claim a worker that was judged dead, so that one process alone releases its jobs.
-- KEYS[1] register of workers: hash   KEYS[2] claim: string
-- ARGV: 1 worker, 2 entry it was judged by, 3 id of the claimer, 4 claim in ms
-- Returns 1 to the process that has the claim; 0 if another one has it, or if the worker has registered again.
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
if redis.call('SET', KEYS[2], ARGV[3], 'NX', 'PX', ARGV[4]) then return 1 end
return 0
