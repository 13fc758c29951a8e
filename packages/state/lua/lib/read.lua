-- Reading: the clock of Redis, and hash fields by name.

local floor = math.floor

-- Redis time in milliseconds.
local function now_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + floor(t[2] / 1000)
end

-- The named fields of a hash as a table by name; a missing field is nil. `err` is set if the key is not a hash.
local function fields(key, ...)
  local values = redis.pcall('HMGET', key, ...)
  if values.err then return values end
  local found = {}
  for at, name in ipairs({ ... }) do found[name] = values[at] or nil end
  return found
end
