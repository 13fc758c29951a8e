-- Accept the loss of every data set that is missed, all at once.
-- KEYS[1] losses: hash, epoch → `missed <ms>` or `accepted <ms>`, Redis time   ARGV: 1 epoch of the data that is there
-- Returns the epochs whose loss is accepted now. One that is there is not lost, and is left alone.
local time = redis.call('TIME')
local at = time[1] .. string.format('%03d', math.floor(tonumber(time[2]) / 1000))
local fields, accepted = redis.call('HGETALL', KEYS[1]), {}
for i = 1, #fields, 2 do
  local epoch, note = fields[i], fields[i + 1]
  if epoch ~= ARGV[1] and string.sub(note, 1, 7) == 'missed ' then
    redis.call('HSET', KEYS[1], epoch, 'accepted ' .. at)
    accepted[#accepted + 1] = epoch
  end
end
return accepted
