-- Read batches of a campaign.
-- KEYS[1] the campaign's key   ARGV: sequence numbers
-- Returns for each {range, dueAt, closed, closedAs, state, vector, notRemoved}; a missing field is nil, and all are nil
-- if there is no such batch.
local found = {}
for i = 1, #ARGV do
  local key = KEYS[1] .. ':b:' .. ARGV[i]
  local batch = redis.call('HMGET', key, 'range', 'dueAt', 'closed', 'closedAs', 'state')
  batch[7] = redis.call('HGET', key, 'notRemoved')
  batch[6] = redis.call('GET', key .. ':v')
  found[i] = batch
end
return found
