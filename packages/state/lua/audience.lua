-- Evaluate an audience to a bitmap over ordinals in one step, so that it is the audience at one instant.
-- KEYS[1] `<prefix>{<app>}:`   KEYS[2] destination: bitmap, replaced; removed again if only the size is wanted
-- ARGV[1] '1' to exclude channels that opted out   ARGV[2] seconds to live: '' = no expiry, '0' = only the size
-- ARGV[3] a topic: with ARGV[1], channels that opted out of it are excluded too; or ''
-- ARGV[4…] the audience in postfix order: 'all'; 't<tag>'; 'b<bitmap key of the same app>'; 'not'; 'and'; 'or'
-- Returns {recipients, excluded ones that opted out in general, other excluded ones that opted out of the topic}.
local base, destination = KEYS[1], KEYS[2]
local occupied = base .. 'occupied'
local call = redis.call

-- A stack of keys. Results of operators are in temporary keys, each removed once it is used; none outlives this script.
-- They may contain dead channels, which keep their tags, until the last step removes those.
local stack, made, temporary = {}, 0, {}
local function release(key)
  if temporary[key] then
    call('UNLINK', key)
    temporary[key] = nil
  end
end
local function operate(operator, left, right)
  made = made + 1
  local key = base .. 'tmp:stack:' .. made
  call('BITOP', operator, key, left, right)
  temporary[key] = true
  release(left)
  release(right)
  return key
end
local function pop()
  return table.remove(stack)
end

for at = 4, #ARGV do
  local word = ARGV[at]
  local head = string.sub(word, 1, 1)
  if word == 'all' then
    stack[#stack + 1] = occupied
  elseif word == 'and' or word == 'or' then
    local right, left = pop(), pop()
    stack[#stack + 1] = operate(string.upper(word), left, right)
  elseif word == 'not' then
    -- Not BITOP NOT, whose result would end at the last ordinal with the tag and lack all channels after it.
    local tagged = operate('AND', pop(), occupied)
    stack[#stack + 1] = operate('XOR', occupied, tagged)
  elseif head == 't' then
    stack[#stack + 1] = base .. 'tag:' .. string.sub(word, 2)
  else
    stack[#stack + 1] = string.sub(word, 2)
  end
end

local last = pop()
call('BITOP', 'AND', destination, last, occupied)
release(last)
-- Removes the channels of a bitmap and returns their number.
local function exclude(key)
  if ARGV[1] ~= '1' or call('EXISTS', key) == 0 then return 0 end
  local out = operate('AND', destination, key)
  local excluded = call('BITCOUNT', out)
  if excluded > 0 then call('BITOP', 'XOR', destination, destination, out) end
  release(out)
  return excluded
end
local general = exclude(base .. 'optout')
local of_topic = ARGV[3] == '' and 0 or exclude(base .. 'optout:' .. ARGV[3])
local size = call('BITCOUNT', destination)
if ARGV[2] == '0' then
  call('UNLINK', destination)
elseif ARGV[2] ~= '' then
  call('EXPIRE', destination, ARGV[2])
end
return { size, general, of_topic }
