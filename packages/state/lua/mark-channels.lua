-- Set the bits of registered channels in a bitmap under construction.
-- KEYS[1] `<prefix>{<app>}:`   KEYS[2] bitmap
-- ARGV[1] seconds the bitmap lives from now   ARGV[2…] two for each channel: id, device key suffix
-- Returns how many of them are unknown or not registered any more.
local base, bitmap = KEYS[1], KEYS[2]
local unknown = 0
for at = 2, #ARGV, 2 do
  local ordinal = tonumber(redis.call('HGET', base .. ARGV[at + 1], ARGV[at]))
  if ordinal and redis.call('GETBIT', base .. 'occupied', ordinal) == 1 then
    redis.call('SETBIT', bitmap, ordinal, 1)
  else
    unknown = unknown + 1
  end
end
redis.call('EXPIRE', bitmap, ARGV[1])
return unknown
