-- Count registered channels of some pages by the time since they last registered.
-- needs: read pages
-- KEYS[1] `<prefix>{<app>}:`   KEYS[2] the app's key   ARGV[1] number of ages   then the ages in seconds, then pages
-- Returns {registered channels, those at least as old as the first age, the second, …}.
local base, ages = KEYS[1], tonumber(ARGV[1])
local second = floor(now_ms() / 1000)
local counts = { 0 }
for age = 1, ages do counts[age + 1] = 0 end
for at = ages + 2, #ARGV do
  local page = tonumber(ARGV[at])
  local bits = bits_of_page(base .. 'occupied', page)
  local values = bits and redis.call('HGETALL', base .. 'uri:' .. page) or {}
  for field = 1, #values, 2 do
    if has_bit(bits, tonumber(values[field])) then
      local since = tonumber(string.match(values[field + 1], '^[^%z]*%z[^%z]*%z([^;]*);') or '', 36) or 0
      counts[1] = counts[1] + 1
      for age = 1, ages do
        if second - since >= tonumber(ARGV[age + 1]) then counts[age + 1] = counts[age + 1] + 1 end
      end
    end
  end
end
return counts
