-- Accept the loss of every data set that is missed, all at once.
-- KEYS[1] losses: hash, data set id → `missed <ms>` or `accepted <ms>`, Redis time   ARGV: 1 current data set id
-- Returns the data set ids whose loss is accepted now. The current data set is not lost and is ignored.
local time = redis.call('TIME')
local at = time[1] .. string.format('%03d', math.floor(tonumber(time[2]) / 1000))
local fields, accepted = redis.call('HGETALL', KEYS[1]), {}
for i = 1, #fields, 2 do
  local data_set_id, note = fields[i], fields[i + 1]
  if data_set_id ~= ARGV[1] and string.sub(note, 1, 7) == 'missed ' then
    redis.call('HSET', KEYS[1], data_set_id, 'accepted ' .. at)
    accepted[#accepted + 1] = data_set_id
  end
end
return accepted
