-- Move the channels of some time zones from an evaluated audience to its next wave.
-- KEYS[1] `<prefix>{<app>}:`   KEYS[2] bitmap: the channels that are in no wave yet   KEYS[3] bitmap: the waves so far
-- ARGV[1] 'in' the zones or 'not' in them   ARGV[2] the byte of KEYS[3] at which the wave begins, or '' to drop it
-- ARGV[3] seconds that KEYS[3] lives   ARGV[4…] time zones
-- Returns the number of channels that were moved.
local base, rest, waves = KEYS[1], KEYS[2], KEYS[3]
local call = redis.call
local wave = base .. 'tmp:wave'

call('UNLINK', wave)
for at = 4, #ARGV do call('BITOP', 'OR', wave, wave, base .. 'tag:@' .. ARGV[at]) end
call('BITOP', 'AND', wave, wave, rest)
if ARGV[1] == 'not' then call('BITOP', 'XOR', wave, wave, rest) end
local count = call('BITCOUNT', wave)
if count > 0 then
  call('BITOP', 'XOR', rest, rest, wave)
  if ARGV[2] ~= '' then
    call('SETRANGE', waves, ARGV[2], call('GET', wave))
    call('EXPIRE', waves, ARGV[3])
  end
end
call('UNLINK', wave)
return count
