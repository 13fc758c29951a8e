-- Begin a request under an idempotency key, or return the answer of the earlier one.
-- KEYS[1] record: hash {hash, owner, status, body}
-- ARGV: 1 hash of the request, 2 nonce of the caller, 3 ms the request may take
-- Returns {'fresh'} | {'running'} | {'mismatch'} | {'done', status, body}
local record = redis.call('HMGET', KEYS[1], 'hash', 'owner', 'status', 'body')
if record[1] and record[1] ~= ARGV[1] then
  return { 'mismatch' }
end
if record[3] then
  return { 'done', record[3], record[4] }
end
if record[1] and record[2] ~= ARGV[2] then
  return { 'running' }
end
redis.call('HSET', KEYS[1], 'hash', ARGV[1], 'owner', ARGV[2])
-- If the process dies now, the next attempt may begin after this time.
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return { 'fresh' }
