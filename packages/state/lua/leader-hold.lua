-- Take or keep the lead.
-- KEYS[1] lease: string, the leader's nonce   ARGV: 1 nonce, 2 lease in ms
-- Returns 1 to the leader, else 0.
local holder = redis.call('GET', KEYS[1])
if not holder then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return 1
end
if holder ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
