-- What some batches of a campaign are at this instant.
-- KEYS[1] the campaign's key   ARGV: sequence numbers
-- Returns for each {range, dueAtMs, closed, code of all, state, vector}; a field that is missing is nil, all of them
-- where there is no such batch.
local found = {}
for i = 1, #ARGV do
  local key = KEYS[1] .. ':b:' .. ARGV[i]
  local batch = redis.call('HMGET', key, 'r', 'd', 'z', 'all', 'st')
  batch[6] = redis.call('GET', key .. ':v')
  found[i] = batch
end
return found
