-- Put off a batch that no worker has open, for example until its send window opens.
-- needs: read codes pages checks stamps closing
-- KEYS[1] the campaign's key   ARGV: 1 seq, 2 Redis time in ms before which the batch must not be opened
-- Returns 1 if it was put off, else 0. Idempotent.
local campaign, seq = KEYS[1], ARGV[1]
local key = campaign .. ':b:' .. seq
local b = fields(key, 'range', 'state', 'closed')
if not b.range or b.closed or b.state == 'open' then return 0 end
redis.call('HSET', key, 'state', 'parked', 'dueAt', ARGV[2])
set_parked(campaign, seq, true)
return 1
