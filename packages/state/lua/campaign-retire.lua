-- Let a stretch of a finished campaign's batches expire, their vectors too.
-- KEYS[1] the campaign's key   ARGV: 1 first seq, 2 last seq, 3 seconds from now
-- Returns how many keys will. Repeating it only puts the end off.
local expiring = 0
for seq = tonumber(ARGV[1]), tonumber(ARGV[2]) do
  local batch = string.format('%s:b:%d', KEYS[1], seq)
  expiring = expiring + redis.call('EXPIRE', batch, ARGV[3]) + redis.call('EXPIRE', batch .. ':v', ARGV[3])
end
return expiring
