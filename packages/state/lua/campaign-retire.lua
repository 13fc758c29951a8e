-- Set the expiry of some batches of a finished campaign, and of their vectors.
-- KEYS[1] the campaign's key   ARGV: 1 first seq, 2 last seq, 3 seconds from now
-- Returns how many keys expire. A repeated call only sets a later expiry.
local expiring = 0
for seq = tonumber(ARGV[1]), tonumber(ARGV[2]) do
  local batch = string.format('%s:b:%d', KEYS[1], seq)
  expiring = expiring + redis.call('EXPIRE', batch, ARGV[3]) + redis.call('EXPIRE', batch .. ':v', ARGV[3])
end
return expiring
