-- Register channels of one app: new ones get the next ordinals, known ones keep theirs; the same input again changes nothing.
-- KEYS[1] `<prefix>{<app>}:`
-- ARGV[1] most tag names an app may have
-- ARGV[2…] six for each channel: id, device key suffix, URI, locale, variables as JSON (both '' if none), tags joined by ','
-- Returns one character for each channel: '1' new or alive again, '0' known, 't' refused because of too many tag names.
local PAGE = 512
local base = KEYS[1]
local maxTags = tonumber(ARGV[1])
local call = redis.call

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
local waiting, waitingPage, waitingOrdinals = {}, nil, {}
local function writeWaiting()
  if #waiting > 0 then
    call('HSET', base .. 'uri:' .. waitingPage, unpack(waiting))
    waiting = {}
    waitingOrdinals = {}
  end
end

local answers = {}
for at = 2, #ARGV, 6 do
  local id, device, uri = ARGV[at], base .. ARGV[at + 1], ARGV[at + 2]
  local locale, vars, tags = ARGV[at + 3], ARGV[at + 4], ARGV[at + 5]
  if tags ~= '' and not tagsFit(tags) then
    answers[#answers + 1] = 't'
  else
    local ordinal = tonumber(call('HGET', device, id))
    local known = ordinal ~= nil
    local registeredAt, oldUri, oldTags = now, '', ''
    if ordinal then
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
      ordinal = nextOrdinal
      nextOrdinal = nextOrdinal + 1
      call('HSET', device, id, ordinal)
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

    if oldUri == '' then
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
if nextOrdinal > nextBefore then
  call('SET', base .. 'next', nextOrdinal)
end
return table.concat(answers)
