-- Register channels of one app: new ones get the next ordinals, known ones keep theirs; the same input again changes nothing.
-- KEYS[1] `<prefix>{<app>}:`   KEYS[2] the app's key
-- ARGV[1] most tag names an app may have
-- ARGV[2…] six for each channel: id, device key suffix, URI, locale, variables as JSON (both '' if none), tags joined by ','
-- Returns one character for each channel: '1' new or alive again, '0' known, 't' refused because of too many tag names;
-- or 'gone' when the app was removed meanwhile.
local PAGE = 512
local base = KEYS[1]
local maxTags = tonumber(ARGV[1])
local call = redis.call

if call('EXISTS', base .. 'gone') == 1 then
  return 'gone'
end

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
local now = base36(tonumber(call('TIME')[1]))

-- Tag names seen in this call, so that a chunk with the same tags asks once.
local tagNames = call('SCARD', base .. 'tags')
local knownTags = {}
local function tagsFit(list)
  local fresh = {}
  for tag in string.gmatch(list, '[^,]+') do
    if not knownTags[tag] then
      if call('SISMEMBER', base .. 'tags', tag) == 1 then
        knownTags[tag] = true
      else
        fresh[#fresh + 1] = tag
      end
    end
  end
  if tagNames + #fresh > maxTags then
    return false
  end
  for _, tag in ipairs(fresh) do
    call('SADD', base .. 'tags', tag)
    knownTags[tag] = true
    tagNames = tagNames + 1
  end
  return true
end

-- New channels get consecutive ordinals, so their values are written page by page and their bits in one go.
local nextBefore = tonumber(call('GET', base .. 'next') or '0')
local nextOrdinal = nextBefore
-- Reserved before anything else is written: should this script break off, some ordinals belong to nobody, and none to
-- two. It also makes Redis refuse the whole call when memory is short.
call('SET', base .. 'next', nextBefore + (#ARGV - 1) / 6)
local waiting, waitingPage, waitingOrdinals = {}, nil, {}
local function writeWaiting()
  if #waiting > 0 then
    call('HSET', base .. 'uri:' .. waitingPage, unpack(waiting))
    waiting = {}
    waitingOrdinals = {}
  end
end

-- Set the bits from `first` up to but not including `last`: whole bytes at once.
local function occupy(first, last)
  local occupied = base .. 'occupied'
  while first < last and first % 8 ~= 0 do
    call('SETBIT', occupied, first, 1)
    first = first + 1
  end
  local bytes = math.floor((last - first) / 8)
  if bytes > 0 then
    call('SETRANGE', occupied, first / 8, string.rep('\255', bytes))
  end
  for ordinal = first + bytes * 8, last - 1 do
    call('SETBIT', occupied, ordinal, 1)
  end
end

local answers = {}
for at = 2, #ARGV, 6 do
  local id, device, uri = ARGV[at], base .. ARGV[at + 1], ARGV[at + 2]
  local locale, vars, tags = ARGV[at + 3], ARGV[at + 4], ARGV[at + 5]
  if tags ~= '' and not tagsFit(tags) then
    answers[#answers + 1] = 't'
  else
    -- Most are new: then this is the only look at the bucket.
    local known = call('HSETNX', device, id, nextOrdinal) == 0
    local ordinal = nextOrdinal
    local registeredAt, oldUri, oldTags = now, '', ''
    if known then
      ordinal = tonumber(call('HGET', device, id))
      if waitingOrdinals[ordinal] then
        writeWaiting()
      end
      local old = call('HGET', base .. 'uri:' .. math.floor(ordinal / PAGE), ordinal % PAGE)
      if old then
        local since
        oldUri, since, oldTags = string.match(old, '^[^%z]*%z([^%z]*)%z([^;]*);[^;]*;(.*)$')
        oldUri, oldTags = oldUri or '', oldTags or ''
        if oldUri == uri then
          registeredAt = since
        end
      end
    else
      nextOrdinal = nextOrdinal + 1
    end

    local page, slot = math.floor(ordinal / PAGE), ordinal % PAGE
    local value = id .. '\0' .. uri .. '\0' .. registeredAt .. ';' .. locale .. ';' .. tags
    if ordinal >= nextBefore then
      if waitingPage ~= page then
        writeWaiting()
        waitingPage = page
      end
      waiting[#waiting + 1] = slot
      waiting[#waiting + 1] = value
      waitingOrdinals[ordinal] = true
    else
      call('HSET', base .. 'uri:' .. page, slot, value)
    end

    if known and oldUri == '' then
      call('SETBIT', base .. 'occupied', ordinal, 1)
    end
    if oldTags ~= tags then
      local worn = ',' .. tags .. ','
      for tag in string.gmatch(oldTags, '[^,]+') do
        if not string.find(worn, ',' .. tag .. ',', 1, true) then
          call('SETBIT', base .. 'tag:' .. tag, ordinal, 0)
        end
      end
    end
    -- Set again even when unchanged: a bit lost with a tag that was deleted by hand comes back.
    for tag in string.gmatch(tags, '[^,]+') do
      call('SETBIT', base .. 'tag:' .. tag, ordinal, 1)
    end
    if vars ~= '' then
      call('HSET', base .. 'vars:' .. page, slot, vars)
    elseif known then
      call('HDEL', base .. 'vars:' .. page, slot)
    end
    answers[#answers + 1] = oldUri == '' and '1' or '0'
  end
end
writeWaiting()
call('SET', base .. 'next', nextOrdinal)
occupy(nextBefore, nextOrdinal)
return table.concat(answers)
