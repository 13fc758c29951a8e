-- Set the bits of channels by the time of their registration in a bitmap under construction. Channels that are not
-- registered any more keep their time and are marked too.
-- needs: pages
-- KEYS[1] `<prefix>{<app>}:`   KEYS[2] bitmap
-- ARGV[1] seconds the bitmap lives from now   ARGV[2] first second   ARGV[3] the second after the last   ARGV[4…] pages
-- A channel whose time cannot be read counts as registered in 1970. Returns 1.
local base, bitmap, from, before = KEYS[1], KEYS[2], tonumber(ARGV[2]), tonumber(ARGV[3])
for at = 4, #ARGV do
  local page = tonumber(ARGV[at])
  local values = redis.call('HGETALL', base .. 'uri:' .. page)
  for field = 1, #values, 2 do
    local since = tonumber(string.match(values[field + 1], '^[^%z]*%z[^%z]*%z([^;]*);') or '', 36) or 0
    if since >= from and since < before then
      redis.call('SETBIT', bitmap, page * PAGE + values[field], 1)
    end
  end
end
redis.call('EXPIRE', bitmap, ARGV[1])
return 1
