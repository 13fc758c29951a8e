-- Register channels of one app: new ones get the next ordinals, known ones keep theirs.
-- One with a URI opens the raw gate of its channel and, once a day, renews its time. Otherwise, the same input again
-- changes nothing.
-- needs: uri-index gates tag-names merge-vars opt-outs time-zones registered-at
-- KEYS[1] `<prefix>{<app>}:`   KEYS[2] the app's key   KEYS[3] of an import: bitmap of the channels that it counted
-- ARGV[1] maximum number of tag names   ARGV[2] 'move' or 'allow': what happens when another channel has the URI
-- ARGV[3] seconds that KEYS[3] lives from now   ARGV[4] maximum number of topics that have opt-outs
-- ARGV[5…] ten for each channel: id, device key suffix, packed URI, locale, variables as JSON, tags joined by ',',
--   opted out, topics that it opted out of joined by ','. '' clears a field and '*' keeps it; '~{…}' merges variables;
--   opted out is '1', '0' or '*'; '+topic' opts out of one more topic and '~topic' into one again;
--   the second in which the device got the URI, or '' for now; last, the time zone
-- Without a URI ('*') a channel that is registered changes; of any other only the opt-outs are stored.
-- Returns {answers, position, id, …}: one letter for each channel, then the channels that lost their URI, each with the
-- position of the channel that took it; or 'gone' when the app was removed. Letters:
--   'c' created or alive again   'u' updated   'n' unchanged   't' refused, too many tag names
--   'm' refused, not registered and no URI   'v' refused, too many variables   'o' refused, too many topics
--   'd' counted before by this import   'D' the same, counted as unchanged until now
local KEEP, MAX_VARS = '*', 20
local FIRST, FIELDS = 5, 10
local base, counted = KEYS[1], KEYS[3]
local max_tags, policy, max_topics = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[4])
local call = redis.call

if call('EXISTS', base .. 'gone') == 1 then
  return 'gone'
end

local second = tonumber(call('TIME')[1])

-- New channels get consecutive ordinals, so their values are written page by page and their bits together.
local first_new = tonumber(call('GET', base .. 'next') or '0')
local next_ordinal = first_new
-- Reserved before anything else is written: if this script fails, some ordinals are unused and none is used twice.
-- It also makes Redis refuse the whole call when memory is short.
call('SET', base .. 'next', first_new + (#ARGV - FIRST + 1) / FIELDS)
local waiting, waiting_page, waiting_ordinals = {}, nil, {}
local function write_waiting()
  if #waiting > 0 then
    call('HSET', base .. 'uri:' .. waiting_page, unpack(waiting))
    waiting, waiting_ordinals = {}, {}
  end
end

local function write_value(ordinal, value)
  local page, slot = floor(ordinal / PAGE), ordinal % PAGE
  if ordinal < first_new then
    call('HSET', base .. 'uri:' .. page, slot, value)
    return
  end
  if waiting_page ~= page then
    write_waiting()
    waiting_page = page
  end
  waiting[#waiting + 1] = slot
  waiting[#waiting + 1] = value
  waiting_ordinals[ordinal] = true
end

-- The id, URI, time, locale and tags of a known channel; all nil for one that a failed call left without a value.
local function stored(ordinal)
  if waiting_ordinals[ordinal] then
    write_waiting()
  end
  local value = call('HGET', base .. 'uri:' .. floor(ordinal / PAGE), ordinal % PAGE)
  return string.match(value or '', '^([^%z]*)%z([^%z]*)%z([^;]*);([^;]*);(.*)$')
end

local function value_of(id, uri, since, locale, tags)
  return id .. '\0' .. uri .. '\0' .. since .. ';' .. locale .. ';' .. tags
end

-- Set the bits from `first` up to but not including `last`: whole bytes at once.
local function set_bits(key, first, last)
  while first < last and first % 8 ~= 0 do
    call('SETBIT', key, first, 1)
    first = first + 1
  end
  local bytes = floor((last - first) / 8)
  if bytes > 0 then
    call('SETRANGE', key, first / 8, string.rep('\255', bytes))
  end
  for bit = first + bytes * 8, last - 1 do
    call('SETBIT', key, bit, 1)
  end
end

local answers, moves = {}, {}
-- New channels that lost their URI again within this call.
local vacated = {}

-- The channel with this ordinal gets the URI. Another channel that has it keeps everything else, like a dead one.
local function take_uri(uri, ordinal)
  local bucket, field = uri_entry(base, uri)
  if call('HSETNX', bucket, field, ordinal) == 1 then
    return
  end
  local holder = tonumber(call('HGET', bucket, field))
  if holder == ordinal then
    return
  end
  call('HSET', bucket, field, ordinal)
  if policy ~= 'move' then
    return
  end
  local id, held, since, locale, tags = stored(holder)
  if held == uri then
    write_value(holder, value_of(id, '', since, locale, tags))
    if holder < first_new then
      call('SETBIT', base .. 'occupied', holder, 0)
    else
      vacated[holder] = true
    end
    moves[#moves + 1] = #answers
    moves[#moves + 1] = id
  end
end

-- Tag bits are set again even when they are unchanged: a bit lost with a tag key that was deleted by hand comes back.
local function write_tags(ordinal, old_tags, tags)
  if old_tags ~= tags then
    local kept = ',' .. tags .. ','
    for tag in string.gmatch(old_tags, '[^,]+') do
      if not string.find(kept, ',' .. tag .. ',', 1, true) then
        call('SETBIT', base .. 'tag:' .. tag, ordinal, 0)
      end
    end
  end
  for tag in string.gmatch(tags, '[^,]+') do
    call('SETBIT', base .. 'tag:' .. tag, ordinal, 1)
  end
end

-- Both return true when that changed something.
local function write_vars(ordinal, is_known, vars)
  local key, slot = base .. 'vars:' .. floor(ordinal / PAGE), ordinal % PAGE
  if string.sub(vars, 1, 1) == '~' then
    vars = merge_vars(is_known and call('HGET', key, slot), string.sub(vars, 2), MAX_VARS) or KEEP
  end
  if vars == KEEP then
    return false
  elseif vars == '' then
    return is_known and call('HDEL', key, slot) == 1
  elseif is_known and call('HGET', key, slot) == vars then
    return false
  end
  call('HSET', key, slot, vars)
  return true
end
local function write_opt_outs(ordinal, opted_out, topics)
  local is_changed = set_opt_out_topics(base, ordinal, topics)
  if opted_out == KEEP or call('GETBIT', base .. 'optout', ordinal) == tonumber(opted_out) then
    return is_changed
  end
  call('SETBIT', base .. 'optout', ordinal, opted_out)
  return true
end

-- The answer for a known channel, with what this import has counted of it: two bits for each ordinal, "counted" and
-- "counted as created or updated".
local function count_known(ordinal, answer)
  if not counted then
    return answer
  end
  if ordinal >= first_new then
    return 'd'
  end
  local is_changed = answer ~= 'n'
  local was_counted = call('SETBIT', counted, ordinal * 2, 1) == 1
  local was_changed = is_changed and call('SETBIT', counted, ordinal * 2 + 1, 1) == 1
  if not was_counted then
    return answer
  end
  return is_changed and not was_changed and 'D' or 'd'
end

-- True for a channel that has a URI, with its ordinal; false with the ordinal for one that lost it.
local function is_registered(device, id)
  local ordinal = tonumber(call('HGET', device, id) or '')
  if not ordinal then return false end
  if ordinal >= first_new then return not vacated[ordinal], ordinal end
  return call('GETBIT', base .. 'occupied', ordinal) == 1, ordinal
end

-- An opt-out outlives the registration, and may be there before it.
local function opt_outs_alone(device, id, ordinal, opted_out, topics)
  local names_one = opted_out ~= KEEP or topics ~= KEEP
  local sets_one = opted_out == '1' or string.find(topics, '^[^*~]') ~= nil
  if not names_one or (not ordinal and not sets_one) then return 'm' end
  if ordinal then return count_known(ordinal, write_opt_outs(ordinal, opted_out, topics) and 'u' or 'n') end
  ordinal = next_ordinal
  next_ordinal = next_ordinal + 1
  call('HSET', device, id, ordinal)
  write_value(ordinal, value_of(id, '', base36(second), '', ''))
  vacated[ordinal] = true
  write_opt_outs(ordinal, opted_out, topics)
  return 'u'
end

-- Whether variables that are merged into those of a channel fit.
local function vars_fit(ordinal, vars)
  if not ordinal or string.sub(vars, 1, 1) ~= '~' then return true end
  local old = call('HGET', base .. 'vars:' .. floor(ordinal / PAGE), ordinal % PAGE)
  return merge_vars(old, string.sub(vars, 2), MAX_VARS) ~= false
end

for at = FIRST, #ARGV, FIELDS do
  local id, device, uri = ARGV[at], base .. ARGV[at + 1], ARGV[at + 2]
  local locale, vars, tags, opted_out = ARGV[at + 3], ARGV[at + 4], ARGV[at + 5], ARGV[at + 6]
  local topics, zone = ARGV[at + 7], ARGV[at + 9]
  local has_uri, known = true, nil
  if uri == KEEP then has_uri, known = is_registered(device, id) end
  if not topics_fit(base, topics, max_topics) then
    answers[#answers + 1] = 'o'
  elseif not has_uri then
    answers[#answers + 1] = opt_outs_alone(device, id, known, opted_out, topics)
  elseif not vars_fit(known, vars) then
    answers[#answers + 1] = 'v'
  elseif tags ~= KEEP and not tags_fit(base, tags, max_tags) then
    answers[#answers + 1] = 't'
  else
    -- Most are new: then this is the only look at the bucket.
    local is_known = call('HSETNX', device, id, next_ordinal) == 0
    local ordinal = next_ordinal
    local old_uri, since, old_locale, old_tags, _
    if is_known then
      ordinal = tonumber(call('HGET', device, id))
      _, old_uri, since, old_locale, old_tags = stored(ordinal)
    else
      next_ordinal = next_ordinal + 1
    end
    old_uri, old_locale, old_tags = old_uri or '', old_locale or '', old_tags or ''
    if uri == KEEP then uri = old_uri end
    if locale == KEEP then locale = old_locale end
    if zone == KEEP then zone = zone_in(old_tags) else note_zone(base, zone) end
    tags = tags_with_zone(tags == KEEP and tags_without_zone(old_tags) or tags, zone)

    local is_changed = old_uri ~= uri or old_locale ~= locale or old_tags ~= tags
    local time = time_of(second, since, ARGV[at + 8], old_uri ~= uri, ARGV[at + 2] ~= KEEP)
    if is_changed or time ~= since then
      write_value(ordinal, value_of(id, uri, time, locale, tags))
    end
    if old_uri ~= uri then
      forget_uri(base, old_uri, ordinal)
      take_uri(uri, ordinal)
    end
    if is_known and old_uri == '' then
      call('SETBIT', base .. 'occupied', ordinal, 1)
      vacated[ordinal] = nil
    end
    -- A new channel has no gate yet.
    if ordinal < first_new and ARGV[at + 2] ~= KEEP then open_gate(base, ordinal, second, old_uri == uri) end
    write_tags(ordinal, old_tags, tags)
    is_changed = write_vars(ordinal, is_known, vars) or is_changed
    is_changed = write_opt_outs(ordinal, opted_out, topics) or is_changed

    local answer = old_uri == '' and 'c' or is_changed and 'u' or 'n'
    answers[#answers + 1] = is_known and count_known(ordinal, answer) or answer
  end
end
write_waiting()
call('SET', base .. 'next', next_ordinal)
set_bits(base .. 'occupied', first_new, next_ordinal)
for ordinal in pairs(vacated) do
  call('SETBIT', base .. 'occupied', ordinal, 0)
end
if counted then
  set_bits(counted, first_new * 2, next_ordinal * 2)
  call('EXPIRE', counted, ARGV[3])
end
return {table.concat(answers), unpack(moves)}
