-- The ordinals of channels by their ids.
-- KEYS[1] `<prefix>{<app>}:`   KEYS[2] the app's key     ARGV two for each channel: id, device key suffix
-- Returns one number for each: the ordinal, or -1 for a channel that is unknown or not registered any more.
local base = KEYS[1]
local answers = {}
for at = 1, #ARGV, 2 do
  local ordinal = tonumber(redis.call('HGET', base .. ARGV[at + 1], ARGV[at]))
  if not ordinal or redis.call('GETBIT', base .. 'occupied', ordinal) == 0 then
    ordinal = -1
  end
  answers[#answers + 1] = ordinal
end
return answers
