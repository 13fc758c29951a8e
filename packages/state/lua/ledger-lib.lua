-- What the ledger scripts share; placed before each of them. Codes and classes are those of the outcome vector in
-- the domain package (a test holds both tables side by side).

local CLASS = {
  [0] = 'pending', 'pending', 'pending', 'pending', 'pending', 'pending', 'pending', 'accepted', 'dropped', 'dead',
  'dead', 'rejected', 'rejected', 'rejected', 'rejected', 'rejected', 'failed', 'failed', 'failed', 'failed', 'failed',
  'suppressed', 'suppressed', 'gated', 'unregistered', 'cancelled', 'lapsed', 'in_doubt', 'pending', 'failed', 'rejected'
}
local PENDING, CREDITED, RETRY1, ROTATED, FAILED_ROTATED = 0, 1, 2, 28, 29
local DEAD_FIRST, DEAD_LAST, POISON, IN_DOUBT = 9, 10, 20, 27
local SUPPRESSED_GUARD, SUPPRESSED_OPT_OUT, GATED, UNREGISTERED, CANCELLED, LAPSED = 21, 22, 23, 24, 25, 26
local FAILED_NO_ANSWER = 18
local BAD_REQUEST, TOO_LARGE = 11, 13
local PAGE = 512

local floor, byte, char, sub = math.floor, string.byte, string.char, string.sub

local function now_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + floor(t[2] / 1000)
end

local function code_of(b) return b % 32 end
local function posts_of(b) return floor(b / 32) end
local function byte_of(code, posts)
  if posts > 7 then posts = 7 end
  return posts * 32 + code
end
local function is_pending(b) return CLASS[b % 32] == 'pending' end

-- The class of recipients that a campaign in a final state leaves behind, or nil while it may still send.
local function stop_code(state)
  if state == 'expired' then return LAPSED end
  if state == 'cancelled' or state == 'halted' then return CANCELLED end
  return nil
end

-- What is stored is checked before it is used: a field that was cut off, evicted or written by somebody else must neither
-- stop a script half-way nor have anybody posted to again. An error says which field of which batch is what, and shows
-- numbers only, since a text may be anything.
local SCHEMA = '1'
local MAX_COUNT, MAX_MS, MAX_PAGE = 2 ^ 32, 2 ^ 47, 2 ^ 23
-- No batch is cut larger; a range that is would keep Redis busy for seconds.
local MAX_SPAN, MAX_RECIPIENTS, MAX_WINDOW = 4096, 4096, 256
local CREDITED_BYTES = '[\1\33\65\97\129\161\193\225]'
local UNKNOWN_BYTES = '[\30\31\62\63\94\95\126\127\158\159\190\191\222\223\254\255]'

local function said(value)
  if not value then return 'missing' end
  if #value <= 16 and string.find(value, '^%-?%d+$') then return value end
  return 'a text of ' .. #value .. ' bytes'
end
local function damaged(what) return redis.error_reply('DAMAGED ' .. what) end
local function wrong_type(where) return damaged(where .. ' is of another type') end
local function wrong_field(where, field, value) return damaged(where .. ': ' .. field .. ' is ' .. said(value)) end

-- The whole number from `low` to `high` that a text says, or nil.
local function whole(value, low, high)
  if not value or #value > 15 or not string.find(value, '^%d+$') then return nil end
  local n = tonumber(value)
  if n < low or n > high then return nil end
  return n
end

-- Is a field missing, or a number that it may be? For where a list of fields would cost more than to look at them.
local function is_count(value) return not value or whole(value, 0, MAX_MS) ~= nil end

-- What is wrong with a campaign, as an error to answer with, or nil. One that is gone altogether is not wrong.
local function wrong_campaign(reply, version, state, expires)
  if reply.err then return wrong_type('the campaign') end
  if not version and not state then return nil end
  if version ~= SCHEMA then
    if version and not whole(version, 2, MAX_COUNT) then return wrong_field('the campaign', 'v', version) end
    return redis.error_reply('VERSION the schema version of the campaign is ' .. said(version) .. ', this process writes ' .. SCHEMA)
  end
  if state ~= 'sending' and not (state and string.find(' scheduled paused completed cancelled expired halted ', ' ' .. state .. ' ', 1, true)) then return wrong_field('the campaign', 'state', state) end
  if not whole(expires, 1, MAX_MS) then return wrong_field('the campaign', 'expires', expires) end
  return nil
end

-- What is wrong with the plan of a campaign, or nil. `size` is missing before the freeze, `recipients` before the first plan.
local function wrong_plan(cursor, planned, closed, size, recipients)
  local where = 'the campaign'
  if not whole(cursor, 0, MAX_PAGE) then return wrong_field(where, 'cursor', cursor) end
  if not whole(planned, 0, MAX_COUNT) then return wrong_field(where, 'planned', planned) end
  if not whole(closed, 0, tonumber(planned)) then return wrong_field(where, 'closed', closed) end
  if size and not whole(size, 0, MAX_COUNT) then return wrong_field(where, 'size', size) end
  if recipients and not whole(recipients, 0, tonumber(size or '0')) then
    return wrong_field(where, 'plannedRecipients', recipients)
  end
  return nil
end

-- First and last page and number of recipients of a batch, or nil where the text is no range.
local function range_of(text)
  local from, to, n = string.match(text or '', '^(%d+),(%d+),(%d+)$')
  from, to = whole(from, 0, MAX_PAGE), whole(to, 0, MAX_PAGE)
  if not from or not to or to < from or to - from >= MAX_SPAN then return nil end
  n = whole(n, 1, math.min((to - from + 1) * PAGE, MAX_RECIPIENTS))
  if not n then return nil end
  return from, to, n
end

-- A batch without a range: nil when it was never planned, or else what to answer with.
local function wrong_absence(campaign, seq, key)
  local planned = redis.pcall('SISMEMBER', campaign .. ':live', seq)
  if type(planned) == 'table' then return wrong_type('the set of live batches') end
  if planned == 0 and redis.call('EXISTS', key) == 0 then return nil end
  return wrong_field('batch ' .. seq, 'range', false)
end

-- What is wrong with the numbers of a batch, or nil: `fields` is a list of name, value, name, value, …
local function wrong_numbers(where, fields)
  for f = 1, #fields, 2 do
    local value = fields[f + 1]
    if value and not whole(value, 0, MAX_MS) then return wrong_field(where, fields[f], value) end
  end
  return nil
end

-- Does a batch have the owner, fence and vector that belong to its state? Returns what is wrong, or nil. Credit is
-- counted and codes are looked at in a whole vector, so this is for an open; a checkpoint looks at what it changes.
local function wrong_hold(where, state, owner, fence, vector, n, bequest)
  if state and state ~= 'open' and state ~= 'parked' then return wrong_field(where, 'state', state) end
  local opened = fence and fence ~= '0'
  if state == 'open' and not opened then return wrong_field(where, 'fence', fence) end
  if opened and (not owner or owner == '') then return wrong_field(where, 'owner', owner) end
  if opened and not state then return wrong_field(where, 'state', state) end
  if not vector then
    if opened then return damaged(where .. ': its vector is missing') end
    return nil
  end
  -- An owner that Redis has forgotten leaves what it knows to a batch that nobody has opened.
  if not opened and not bequest then return wrong_field(where, 'fence', fence) end
  if #vector ~= n then return damaged(where .. ': its vector has ' .. #vector .. ' bytes for ' .. n .. ' recipients') end
  local unknown = string.find(vector, UNKNOWN_BYTES)
  if unknown then return damaged(where .. ': no outcome has the code ' .. byte(vector, unknown) % 32) end
  local _, credited = string.gsub(vector, CREDITED_BYTES, '')
  if credited > (state == 'open' and MAX_WINDOW or 0) then
    return damaged(where .. ': ' .. credited .. ' recipients have credit while it is ' .. (state or 'new'))
  end
  return nil
end

-- Credit at most while a campaign has so few answers: if it is refused by everybody, few posts tell.
local function ramp(answers) return answers < 256 and 32 or 256 end

-- Credit at most in an open of a batch that lost its owner so often after settling little. A suspected one starts with a
-- single recipient, and gets room for one more with each that is settled: if everybody answers the window doubles with
-- each checkpoint, and who kills its owner is then among no more than were settled before it had credit, plus one.
local function is_suspected(losses) return losses >= 3 end
local function window_of(losses, settled, window)
  if not is_suspected(losses) then return window end
  return math.min(window, settled + 1)
end

local function unpack_bytes(text, n) return { byte(text, 1, n) } end
local function pack_bytes(list) return char(unpack(list)) end

local function int4(text, at)
  local a, b, c, d = byte(text, at, at + 3)
  if not d then return 0 end
  return ((a * 256 + b) * 256 + c) * 256 + d
end
local function pack4(n) return struct.pack('>I4', n) end

-- Add `totals` (class -> n) to the campaign; `pending` is never stored, it is what is left of the audience.
local function add_totals(campaign, totals)
  for class, n in pairs(totals) do
    if class ~= 'pending' and n ~= 0 then redis.call('HINCRBY', campaign, 'n:' .. class, n) end
  end
end

-- The fields of a campaign that count who is settled.
local function total_fields()
  return 'n:accepted', 'n:dropped', 'n:dead', 'n:rejected', 'n:failed', 'n:suppressed', 'n:gated', 'n:unregistered',
    'n:cancelled', 'n:lapsed', 'n:in_doubt'
end

-- How many recipients the totals say are settled, or nil where one of them is no count.
local function settled_of(campaign)
  local sum = 0
  for _, n in ipairs(redis.call('HMGET', campaign, total_fields())) do
    if n and not whole(n, 0, MAX_COUNT) then return nil end
    sum = sum + (tonumber(n) or 0)
  end
  return sum
end

-- A campaign is finished when its plan is sealed and every planned batch is closed. Tested wherever either changes.
-- The set `finished` makes the completion event at-least-once: the leader takes an id off when it has told and retired it.
local function finish_if_done(base, campaign, at)
  local f = redis.call('HMGET', campaign, 'sealed', 'planned', 'closed', 'state', 'finished', 'id', 'posts', 'type', 'topic', 'damaged', 'size')
  if f[1] ~= '1' or f[2] ~= f[3] or f[5] or f[10] then return false end
  -- Somebody wrote into the totals: the leader finds this out too, and recounts.
  if settled_of(campaign) ~= tonumber(f[11]) then return false end
  -- So it does where a closed batch has lost its vector since: nobody could be told what became of its recipients.
  for seq = 0, tonumber(f[2]) - 1 do
    local key = campaign .. ':b:' .. seq
    if redis.call('EXISTS', key .. ':v') == 0 and redis.call('HEXISTS', key, 'all') == 0 then return false end
  end
  if f[4] == 'sending' or f[4] == 'paused' then
    redis.call('HSET', campaign, 'state', 'completed')
    redis.call('HDEL', campaign, 'reason')
  end
  -- The key says it too, and cannot be another's.
  local id = sub(campaign, #base + 3)
  redis.call('HSET', campaign, 'finished', at)
  redis.call('SADD', base .. 'finished', id)
  redis.call('SREM', base .. 'active', id)
  -- One that ended before its turn came waits for no slot any more.
  redis.call('ZREM', base .. 'waiting:' .. f[8] .. ':' .. f[9], id)
  if f[7] == false or f[7] == '0' then
    local slot = base .. 'topic:' .. f[8] .. ':' .. f[9]
    local holder = redis.call('GET', slot)
    if holder and sub(holder, 1, #id + 1) == id .. '|' then redis.call('DEL', slot) end
  end
  return true
end

-- Move a campaign whose time is up to `expired`. Returns its state after that.
local function state_now(campaign, state, expires, at)
  if (state == 'sending' or state == 'paused' or state == 'scheduled') and expires and at >= tonumber(expires) then
    redis.call('HSET', campaign, 'state', 'expired', 'reason', 'expired')
    return 'expired'
  end
  return state
end

-- What was never planned will not be: it takes the class of the final state, and the plan is sealed.
local function seal_unplanned(campaign, code)
  local f = redis.call('HMGET', campaign, 'sealed', 'size', 'plannedRecipients')
  if f[1] == '1' then return end
  local left = (tonumber(f[2]) or 0) - (tonumber(f[3]) or 0)
  if left > 0 then redis.call('HINCRBY', campaign, 'n:' .. CLASS[code], left) end
  redis.call('HSET', campaign, 'sealed', '1', 'stopCode', code)
end

-- Stamps of pages, each loaded once and written back once. What is set lies over the stored text until then.
local Stamps = {}
Stamps.__index = Stamps
local function stamps_of(base, type) return setmetatable({ base = base .. 'stamp:' .. type .. ':', texts = {}, over = {} }, Stamps) end
function Stamps:text(page)
  local text = self.texts[page]
  if not text then
    text = redis.call('GET', self.base .. page) or ''
    self.texts[page] = text
  end
  return text
end
function Stamps:get(ordinal)
  local page, slot = floor(ordinal / PAGE), ordinal % PAGE
  local over = self.over[page]
  if over and over[slot] then return int4(over[slot], 1) end
  return int4(self:text(page), slot * 4 + 1)
end
function Stamps:set(ordinal, packed)
  local page = floor(ordinal / PAGE)
  local over = self.over[page]
  if not over then
    over = {}
    self.over[page] = over
  end
  over[ordinal % PAGE] = packed
end
function Stamps:save()
  for page, over in pairs(self.over) do
    local text, last = self:text(page), 0
    for slot in pairs(over) do if slot > last then last = slot end end
    if #text < last * 4 then text = text .. string.rep('\0', last * 4 - #text) end
    local parts, kept = {}, 1
    for slot = 0, last do
      local packed = over[slot]
      if packed then
        if kept <= slot * 4 then parts[#parts + 1] = sub(text, kept, slot * 4) end
        parts[#parts + 1] = packed
        kept = slot * 4 + 5
      end
    end
    parts[#parts + 1] = sub(text, kept)
    redis.call('SET', self.base .. page, table.concat(parts))
  end
end

-- The stamp follows the outcome of a settled recipient: what was or may have been taken counts from now, and what was
-- not taken no longer counts, unless the stamp is another campaign's.
local function stamp_settled(stamps, ordinal, code, ours, stamp_now)
  if CLASS[code] == 'accepted' or CLASS[code] == 'in_doubt' or code == FAILED_NO_ANSWER then
    stamps:set(ordinal, stamp_now)
  elseif stamps:get(ordinal) == ours then
    stamps:set(ordinal, '\0\0\0\0')
  end
end

-- The topic's slot counts from the last update that was or may have been taken, so that whoever comes when it is free
-- finds no device of this campaign still within its own interval.
local function renew_slot(base, type, id, topic, interval_ms, counts)
  interval_ms = tonumber(interval_ms or '0')
  if interval_ms <= 0 or not (counts['accepted'] or counts['in_doubt']) then return end
  local slot = base .. 'topic:' .. type .. ':' .. topic
  local holder = redis.call('GET', slot)
  if holder and sub(holder, 1, #id + 1) == id .. '|' then redis.call('PEXPIRE', slot, interval_ms) end
end

-- The slots of a page whose recipients are in the campaign's frozen audience, in order.
local function slots_of(campaign, page)
  local bits = redis.call('GETRANGE', campaign .. ':targets', page * 64, page * 64 + 63)
  local slots, count = {}, 0
  for at = 1, #bits do
    local v = byte(bits, at)
    if v ~= 0 then
      local slot, weight = at * 8 - 8, 128
      while v > 0 do
        if v >= weight then
          v = v - weight
          count = count + 1
          slots[count] = slot
        end
        slot, weight = slot + 1, weight / 2
      end
    end
  end
  return slots
end

-- Give up the stamps of recipients who will not be posted to after all, so that the next campaign may reach them.
-- Where something was posted before, nobody can say here that it was not taken: that stamp stays.
local function clear_stamps(base, campaign, key, positions)
  local b, type = redis.call('HMGET', key, 'r', 's'), redis.call('HGET', campaign, 'type')
  if not b[2] then return end
  local from, to = string.match(b[1], '^(%d+),(%d+),')
  local stamps, ours, i = stamps_of(base, type), tonumber(b[2]), 0
  for page = tonumber(from), tonumber(to) do
    for _, slot in ipairs(slots_of(campaign, page)) do
      i = i + 1
      local ordinal = page * PAGE + slot
      if positions[i] and stamps:get(ordinal) == ours then stamps:set(ordinal, '\0\0\0\0') end
    end
  end
  stamps:save()
end

-- Close a batch that nobody owns: every pending recipient takes `code`. A batch that was never opened needs no vector.
local function close_with(base, campaign, key, n, code)
  local vector = redis.call('GET', key .. ':v')
  if not vector then
    redis.call('HINCRBY', campaign, 'n:' .. CLASS[code], n)
    redis.call('HSET', key, 'z', '1', 'all', code)
  else
    local bytes, changed, unposted = unpack_bytes(vector, n), 0, {}
    for i = 1, n do
      if is_pending(bytes[i]) then
        local posts = posts_of(bytes[i])
        if posts == 0 then unposted[i] = true end
        bytes[i] = byte_of(code, posts)
        changed = changed + 1
      end
    end
    if changed > 0 then
      redis.call('SET', key .. ':v', pack_bytes(bytes))
      redis.call('HINCRBY', campaign, 'n:' .. CLASS[code], changed)
    end
    if next(unposted) then clear_stamps(base, campaign, key, unposted) end
    redis.call('HSET', key, 'z', '1')
  end
  redis.call('HDEL', key, 'st', 'd', 's', 'g', 'x', 'p', 'w')
  redis.call('HINCRBY', campaign, 'closed', 1)
end

-- Every batch that is planned and not closed is in the set `live`, so that nothing has to look through all of them.
local function leave_live(campaign, seq) redis.call('SREM', campaign .. ':live', seq) end
