-- Change registered channels of one app by their ordinals.
-- needs: read uri-index gates tag-names unregister opt-outs time-zones
-- KEYS[1] `<prefix>{<app>}:`   KEYS[2] the app's key
-- ARGV[1] action: 'tag', 'untag', 'delete', 'opt-out', 'opt-in' or 'activate'
-- ARGV[2] of 'tag' and 'untag': tags joined by ','. Of 'delete': a URI that came in this second or later stays, or ''.
--   Of 'opt-out' and 'opt-in': a topic, or ''
-- ARGV[3] maximum number of tag names   ARGV[4] maximum number of tags of a channel
-- ARGV[5] maximum number of topics that have opt-outs   ARGV[6…] ordinals
-- Returns {updated, unchanged, refused}, where refused have too many tags; channels that are not registered any more
-- are not counted. Or 'gone' when the app was removed, 'too-many-tags' when it would get too many tag names, or
-- 'too-many-topics' when too many topics would have opt-outs.
local FIRST = 6
local base, action, parameter = KEYS[1], ARGV[1], ARGV[2]
local max_names, max_tags = tonumber(ARGV[3]), tonumber(ARGV[4])
local call = redis.call

if call('EXISTS', base .. 'gone') == 1 then
  return 'gone'
end
if action == 'tag' and not tags_fit(base, parameter, max_names) then
  return 'too-many-tags'
end
if action == 'opt-out' and not topics_fit(base, parameter, tonumber(ARGV[5])) then
  return 'too-many-topics'
end

local second = floor(now_ms() / 1000)
local named, names = {}, {}
if action == 'tag' or action == 'untag' then
  for tag in string.gmatch(parameter, '[^,]+') do
    named[tag] = true
    names[#names + 1] = tag
  end
end

local function tagged(list)
  local tags, worn = {}, {}
  for tag in string.gmatch(list, '[^,]+') do
    if action == 'tag' or not named[tag] then tags[#tags + 1] = tag end
    worn[tag] = true
  end
  if action == 'tag' then
    for _, tag in ipairs(names) do
      if not worn[tag] then tags[#tags + 1] = tag end
    end
  end
  return tags
end

-- 1 updated, 2 unchanged, 3 refused.
local function change_tags(ordinal, value)
  local head, list = string.match(value, '^([^%z]*%z[^%z]*%z[^;]*;[^;]*;)(.*)$')
  local tags = tagged(tags_without_zone(list))
  if #tags > max_tags then return 3 end
  local joined = tags_with_zone(table.concat(tags, ','), zone_in(list))
  for _, tag in ipairs(names) do
    call('SETBIT', base .. 'tag:' .. tag, ordinal, action == 'tag' and 1 or 0)
  end
  if joined == list then return 2 end
  call('HSET', base .. 'uri:' .. floor(ordinal / PAGE), ordinal % PAGE, head .. joined)
  return 1
end

local function change(ordinal, value)
  if action == 'tag' or action == 'untag' then
    return change_tags(ordinal, value)
  elseif action == 'delete' then
    local since = string.match(value, '^[^%z]*%z[^%z]*%z([^;]*);')
    if parameter ~= '' and tonumber(since or '0', 36) >= tonumber(parameter) then return 2 end
    unregister(base, ordinal, value)
    return 1
  elseif action == 'activate' then
    local was_closed = call('GETBIT', base .. 'gated', ordinal) == 1
    open_gate(base, ordinal, second, true)
    return was_closed and 1 or 2
  end
  local bit = action == 'opt-out' and 1 or 0
  return call('SETBIT', opt_out_key(base, parameter), ordinal, bit) == bit and 2 or 1
end

local counts = { 0, 0, 0 }
for at = FIRST, #ARGV do
  local ordinal = tonumber(ARGV[at])
  if call('GETBIT', base .. 'occupied', ordinal) == 1 then
    local value = call('HGET', base .. 'uri:' .. floor(ordinal / PAGE), ordinal % PAGE)
    local kind = change(ordinal, value)
    counts[kind] = counts[kind] + 1
  end
end
return counts
