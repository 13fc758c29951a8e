-- Take the numbers of recipients of a campaign that no owner has counted in its metrics (lib/closing.lua).
-- needs: read codes pages checks stamps closing
-- KEYS[1] the campaign's key
-- Returns {class, n, …}. A second call returns nothing, so that each recipient is counted once.
local taken, names = {}, {}
for _, total in ipairs({ total_fields() }) do names[#names + 1] = 'uncounted:' .. sub(total, #'total:' + 1) end
for at, n in ipairs(redis.call('HMGET', KEYS[1], unpack(names))) do
  local count = whole(n, 1, MAX_COUNT)
  if count then
    taken[#taken + 1] = sub(names[at], #'uncounted:' + 1)
    taken[#taken + 1] = count
  end
end
redis.call('HDEL', KEYS[1], unpack(names))
return taken
