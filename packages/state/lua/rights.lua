-- Find the commands that the Redis user of this connection may not run on our keys.
-- KEYS[1] a key of this call alone, removed at the end
-- ARGV one text for each command: the command, then its arguments, all separated by blanks; KEY stands for KEYS[1]
-- Returns the commands that were refused, and "KEY" first when the key was refused; or the error of a Redis that has
-- reached maxmemory, which refuses commands inside of a script only one by one.
local probe = KEYS[1]
local refused = {}
for _, text in ipairs(ARGV) do
  local words = {}
  for word in string.gmatch(text, '%S+') do
    words[#words + 1] = word == 'KEY' and probe or word
  end
  local reply = redis.pcall(unpack(words))
  local message = type(reply) == 'table' and reply.err or ''
  if string.find(message, '^OOM ') then return reply end
  -- The words of Redis 7.0, then those of later versions.
  if string.find(message, 'The user executing the script', 1, true) or string.find(message, 'ACL failure', 1, true) then
    refused[#refused + 1] = string.find(message, ' access ', 1, true) and 'KEY' or words[1]
  end
end
redis.pcall('DEL', probe)
return refused
