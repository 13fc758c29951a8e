-- needs: read codes pages
-- Stored values are checked before use. A field that was cut off, evicted or written by another program must not stop
-- a script halfway, and must not cause a second post. An error names the batch and the field. It shows numbers only:
-- any other text may be private.

local VERSION = '1'
local MAX_COUNT, MAX_MS, MAX_PAGE = 2 ^ 32, 2 ^ 47, 2 ^ 23
-- Batches are never cut larger. A larger range would keep Redis busy for seconds.
local MAX_SPAN, MAX_RECIPIENTS, MAX_WINDOW = 4096, 4096, 256
local CAMPAIGN_STATES = ' scheduled sending paused completed cancelled expired halted '

local function shown(value)
  if not value then return 'missing' end
  if #value <= 16 and string.find(value, '^%-?%d+$') then return value end
  return 'a text of ' .. #value .. ' bytes'
end
local function damaged(found) return redis.error_reply('DAMAGED ' .. found) end
local function wrong_type(where) return damaged(where .. ' has another type') end
local function wrong_field(where, field, value) return damaged(where .. ': ' .. field .. ' is ' .. shown(value)) end
local function other_version(version)
  return redis.error_reply('VERSION the campaign has ledger version ' .. shown(version) .. ', this process writes ' .. VERSION)
end
-- The caller sent something that no owner sends. Nothing was written.
local function refused(why) return redis.error_reply('LEDGER ' .. why) end

-- The whole number from `low` to `high` that a text holds, or nil.
local function whole(value, low, high)
  if not value or #value > 15 or not string.find(value, '^%d+$') then return nil end
  local n = tonumber(value)
  if n < low or n > high then return nil end
  return n
end

-- True for a missing field and for a valid count. Cheaper than `wrong_numbers` where nothing is wrong.
local function is_count(value) return not value or whole(value, 0, MAX_MS) ~= nil end

-- The error for the first named field that is neither missing nor a count, or nil.
local function wrong_numbers(where, of, ...)
  for _, name in ipairs({ ... }) do
    if not is_count(of[name]) then return wrong_field(where, name, of[name]) end
  end
  return nil
end

-- The error for a campaign read with at least `version`, `state` and `expiresAt`, or nil. A campaign that does not
-- exist is not an error.
local function wrong_campaign(c)
  if c.err then return wrong_type('the campaign') end
  if not c.version and not c.state then return nil end
  if c.version ~= VERSION then
    if c.version and not whole(c.version, 2, MAX_COUNT) then return wrong_field('the campaign', 'version', c.version) end
    return other_version(c.version)
  end
  if c.state ~= 'sending' and not (c.state and string.find(CAMPAIGN_STATES, ' ' .. c.state .. ' ', 1, true)) then
    return wrong_field('the campaign', 'state', c.state)
  end
  if not whole(c.expiresAt, 1, MAX_MS) then return wrong_field('the campaign', 'expiresAt', c.expiresAt) end
  return nil
end

-- The error for the plan of a campaign, or nil. `audienceSize` is missing before the freeze, `plannedRecipients` before
-- the first plan.
local function wrong_plan(c)
  local where = 'the campaign'
  if not whole(c.cursor, 0, MAX_PAGE) then return wrong_field(where, 'cursor', c.cursor) end
  if not whole(c.planned, 0, MAX_COUNT) then return wrong_field(where, 'planned', c.planned) end
  if not whole(c.closed, 0, tonumber(c.planned)) then return wrong_field(where, 'closed', c.closed) end
  if c.audienceSize and not whole(c.audienceSize, 0, MAX_COUNT) then
    return wrong_field(where, 'audienceSize', c.audienceSize)
  end
  if c.plannedRecipients and not whole(c.plannedRecipients, 0, tonumber(c.audienceSize or '0')) then
    return wrong_field(where, 'plannedRecipients', c.plannedRecipients)
  end
  return nil
end

-- First page, last page and number of recipients of a batch; nil if the text is not a range. The batches at the end
-- of a canary divide a page: then follow the recipients of the first page that the batch before holds, and those of
-- the last page that the batch after holds.
local function range_of(text)
  local from, to, n, others = string.match(text or '', '^(%d+),(%d+),(%d+)(.*)$')
  local before, after = 0, 0
  if others and others ~= '' then
    before, after = string.match(others, '^,(%d+),(%d+)$')
    before, after = whole(before, 0, PAGE - 1), whole(after, 0, PAGE - 1)
    if not before or not after then return nil end
  end
  from, to = whole(from, 0, MAX_PAGE), whole(to, 0, MAX_PAGE)
  if not from or not to or to < from or to - from >= MAX_SPAN then return nil end
  n = whole(n, 1, math.min((to - from + 1) * PAGE, MAX_RECIPIENTS))
  if not n then return nil end
  return from, to, n, before, after
end

-- The error for a batch without a range, or nil if the batch was never planned.
local function wrong_absence(campaign, seq, key)
  local is_live = redis.pcall('SISMEMBER', campaign .. ':live', seq)
  if type(is_live) == 'table' then return wrong_type('the set of live batches') end
  if is_live == 0 and redis.call('EXISTS', key) == 0 then return nil end
  return wrong_field('batch ' .. seq, 'range', nil)
end

-- The error if owner, fence and vector do not match the state of a batch, or nil. Checks the whole vector, so only an
-- open and a sweep call it; a checkpoint checks the bytes that it changes.
local function wrong_hold(where, b, vector, n)
  if b.state and b.state ~= 'open' and b.state ~= 'parked' then return wrong_field(where, 'state', b.state) end
  local opened = b.fence and b.fence ~= '0'
  if b.state == 'open' and not opened then return wrong_field(where, 'fence', b.fence) end
  if opened and (not b.owner or b.owner == '') then return wrong_field(where, 'owner', b.owner) end
  if opened and not b.state then return wrong_field(where, 'state', b.state) end
  if not vector then
    if opened then return damaged(where .. ': its vector is missing') end
    return nil
  end
  -- A merge writes outcomes into a batch whose open Redis has lost.
  if not opened and not b.recoveredOwners then return wrong_field(where, 'fence', b.fence) end
  if #vector ~= n then return damaged(where .. ': its vector has ' .. #vector .. ' bytes for ' .. n .. ' recipients') end
  local unknown = UNKNOWN_BYTES and string.find(vector, UNKNOWN_BYTES)
  if unknown then return damaged(where .. ': no outcome has the code ' .. byte(vector, unknown) % 32) end
  local _, credited = string.gsub(vector, CREDITED_BYTES, '')
  if credited > (b.state == 'open' and MAX_WINDOW or 0) then
    return damaged(where .. ': ' .. credited .. ' recipients have credit while it is ' .. (b.state or 'new'))
  end
  return nil
end
