-- Append entries to an audit trail if the last entry is the one that they continue from.
-- needs: read
-- KEYS[1] trail: stream {e: text, h: hash, s: number}
-- ARGV: 1 hash of the last entry, 2 most entries, 3 longest age in ms, then for each entry its number, text and hash
-- Returns {1, id of each entry …}, or {0, hash of the last entry, its number} if another process appended meanwhile.
local trail = KEYS[1]
local hash, seq = string.rep('0', 64), 0
local last = redis.call('XREVRANGE', trail, '+', '-', 'COUNT', 1)[1]
if last then
  local f = {}
  for at = 1, #last[2], 2 do f[last[2][at]] = last[2][at + 1] end
  hash, seq = f.h, tonumber(f.s)
end
if hash ~= ARGV[1] then return { 0, hash, seq } end
local answer = { 1 }
for at = 4, #ARGV, 3 do
  answer[#answer + 1] = redis.call('XADD', trail, '*', 'e', ARGV[at + 1], 'h', ARGV[at + 2], 's', ARGV[at])
end
-- After the additions, so that the last entry always stays and the chain never starts again.
redis.call('XTRIM', trail, 'MAXLEN', '~', ARGV[2])
redis.call('XTRIM', trail, 'MINID', '~', string.format('%.0f', now_ms() - ARGV[3]))
return answer
