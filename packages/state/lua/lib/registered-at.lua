-- The time of a registration: seconds in base 36, so that it takes six bytes.

local digits = '0123456789abcdefghijklmnopqrstuvwxyz'
local function base36(number)
  local text = ''
  repeat
    local digit = number % 36
    text = string.sub(digits, digit + 1, digit + 1) .. text
    number = (number - digit) / 36
  until number == 0
  return text
end

-- A device registers often, so its time is written at most once a day.
local DAY_SECONDS = 86400

-- The time of a channel after a registration in `second`. A URI that stays gets no older: its device may have
-- registered since. `given` is a second of the caller, or ''.
local function time_of(second, since, given, is_new_uri, is_registering)
  if given == '' then
    local is_renewed = is_new_uri or (is_registering and second - tonumber(since, 36) >= DAY_SECONDS)
    return is_renewed and base36(second) or since
  end
  given = tonumber(given)
  return (is_new_uri or given > tonumber(since, 36)) and base36(given) or since
end
