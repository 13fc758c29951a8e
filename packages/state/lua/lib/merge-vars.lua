-- The variables of a channel, as JSON, changed by a merge patch: a name with null is removed, others are set.
-- Returns nil when that changes nothing, false when it would make more than `max`, '' when none is left.

local function merge_vars(old, patch, max)
  local vars, is_changed, count = old and cjson.decode(old) or {}, false, 0
  for name, value in pairs(cjson.decode(patch)) do
    if value == cjson.null then value = nil end
    if vars[name] ~= value then
      vars[name] = value
      is_changed = true
    end
  end
  if not is_changed then return nil end
  for _ in pairs(vars) do count = count + 1 end
  if count > max then return false end
  return count == 0 and '' or cjson.encode(vars)
end
