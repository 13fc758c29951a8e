-- Record what an owner did with its batch, and grant the next credit.
-- KEYS[1] `<prefix>{<app>}:`   KEYS[2] the campaign's key
-- ARGV: 1 seq, 2 owner nonce, 3 fence, 4 checkpoint number (from 1, one more each time), 5 window of the terms,
--       6 type,
--       7 guard window in seconds (0 = no guard),
--       8 vector: what is settled, what waits, and the credit wanted,
--       9 end: '' | 'close' | 'park', 10 dueAtMs for a park, 11 '1' when a park clears our stamps,
--       12 changed: 4-byte position and 4-byte ordinal of each recipient settled since the last checkpoint,
--       13 gates: 4-byte ordinal and 4-byte value (highest bit: close the raw gate; the rest: second to hold until),
--       14 number of dead, then for each: position (from 1), ordinal, posted URI;
--       then the samples, each a JSON text.
-- A recipient that is settled though its owner knows otherwise was inherited from an owner whom Redis had forgotten
-- (ledger-bequeath.lua): it stays as it is, and the answer tells so.
-- A recipient whose URI had changed once already comes as FAILED_ROTATED: it stays so only if it changed again.
-- Returns an error DAMAGED or VERSION, and has written nothing, where the ledger is not what a script could have left,
--   {'fenced', rolled back 0|1} when another owner has the batch, {'closed'} when it is closed already, else
--   {'ok', state, nowMs, adjusted: {position, byte, …}, batches live, plan cursor (-1 = sealed), finished 0|1, batch closed 0|1,
--    counts: {class, n, …} of what this call settled, window from now on, rolled back 0|1}.
-- Rolled back: Redis has forgotten an open or a checkpoint of this owner that it had acknowledged. The vector is told as
-- a whole each time, so what was forgotten is put right.
-- Idempotent: a checkpoint number that was seen changes nothing, also after it has parked or closed the batch; totals
-- come from the change of the vector. What does not fit is refused as a whole, before anything is written.
local base, campaign = KEYS[1], KEYS[2]
local seq, owner, fence, number = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local window, type, guard = tonumber(ARGV[5]), ARGV[6], tonumber(ARGV[7])
local new_text, ending, due, clears = ARGV[8], ARGV[9], ARGV[10], ARGV[11] == '1'
local changed, gates, dead_count = ARGV[12], ARGV[13], tonumber(ARGV[14])
local key = campaign .. ':b:' .. seq
local STRETCH = 32

local b = redis.pcall('HMGET', key, 'r', 'o', 'f', 'q', 's', 'z', 'st', 'g', 'p', 'w')
local c = redis.pcall('HMGET', campaign, 'state', 'expires', 'sealed', 'n:dead', 'answers', 'id', 'topic', 'interval', 'reason', 'v')
local where = 'batch ' .. seq
local wrong = wrong_campaign(c, c[10], c[1], c[2])
if wrong then return wrong end
if b.err then return wrong_type(where) end
if not c[1] then return { 'fenced', 0 } end
-- A campaign without the batch: Redis has forgotten that it was planned.
if not b[1] then return wrong_absence(campaign, seq, key) or { 'fenced', 1 } end
if b[3] and not b[2] and not b[6] then return wrong_field(where, 'owner', b[2]) end
if b[2] and not b[3] then return wrong_field(where, 'fence', b[3]) end
if not (is_count(b[3]) and is_count(b[4]) and is_count(b[5]) and is_count(b[8]) and is_count(b[9]) and
  is_count(c[4]) and is_count(c[5]) and is_count(c[8])) then
  return wrong_numbers(where, { 'fence', b[3], 'checkpoint', b[4], 'stamp', b[5], 'losses', b[8], 'settled', b[9] }) or
    wrong_numbers('the campaign', { 'n:dead', c[4], 'answers', c[5], 'interval', c[8] })
end
if b[2] ~= owner or b[3] ~= fence then
  if b[6] then return { 'closed' } end
  -- A fence only grows, and each of its numbers is given once: to find ours gone is to find Redis back in time.
  return { 'fenced', tonumber(b[3] or '0') <= tonumber(fence) and 1 or 0 }
end

local at = now_ms()
local second = floor(at / 1000)
local state = state_now(campaign, c[1], c[2], at)
local final = stop_code(state)
local _, _, n = range_of(b[1])
if not n then return wrong_field(where, 'range', b[1]) end
local adjusted, counts = {}, {}
-- How often the batch lost its owner early, and how many were settled in this open.
local losses, settled = tonumber(b[8] or '0'), tonumber(b[9] or '0')
local function plan_cursor()
  local p = redis.call('HMGET', campaign, 'sealed', 'cursor')
  return p[1] == '1' and -1 or tonumber(p[2] or '0')
end
local function reply(finished, closed)
  local list = {}
  for class, count in pairs(counts) do list[#list + 1] = class; list[#list + 1] = count end
  return { 'ok', state, at, adjusted, redis.call('SCARD', campaign .. ':live'), plan_cursor(),
    finished and 1 or 0, closed and 1 or 0, list,
    math.min(window_of(losses, settled, window), ramp(tonumber(redis.call('HGET', campaign, 'answers') or '0'))),
    number > tonumber(b[4] or '0') + 1 and 1 or 0 }
end

local old_text = redis.pcall('GET', key .. ':v')
if not old_text then return damaged(where .. ': its vector is missing') end
if old_text.err then return wrong_type('the vector of ' .. where) end
if #old_text ~= n then return damaged(where .. ': its vector has ' .. #old_text .. ' bytes for ' .. n .. ' recipients') end
if #new_text ~= n then return redis.error_reply('LEDGER the vector told of batch ' .. seq .. ' does not fit its range') end
if number <= tonumber(b[4] or '0') then
  -- Its reply was lost: tell again where the stored vector differs from what was sent.
  local new = unpack_bytes(new_text, n)
  local old = unpack_bytes(old_text, n)
  for i = 1, n do
    if old[i] ~= new[i] then adjusted[#adjusted + 1] = i; adjusted[#adjusted + 1] = old[i] end
  end
  return reply(false, b[6])
end
if b[6] then return { 'closed' } end
if b[7] ~= 'open' then
  if b[7] ~= 'parked' then return wrong_field(where, 'state', b[7]) end
  return { 'fenced', 0 }
end

local old, new = unpack_bytes(old_text, n), unpack_bytes(new_text, n)
-- Most of a vector stays as it is from one checkpoint to the next: only stretches that differ are looked through.
local differs, count, told, inherited = {}, 0, 0, {}
for first = 1, n, STRETCH do
  local last = math.min(first + STRETCH - 1, n)
  if sub(old_text, first, last) ~= sub(new_text, first, last) then
    for i = first, last do
      local was, is = old[i], new[i]
      if was ~= is then
        if not CLASS[is % 32] then return redis.error_reply('LEDGER no outcome has the code ' .. is % 32) end
        local was_class = CLASS[was % 32]
        if was_class == 'pending' then
          if CLASS[is % 32] ~= 'pending' then told = told + 1 end
          count = count + 1
          differs[count] = i
        elseif was_class and (CLASS[is % 32] == 'pending' or b[10]) then
          new[i], inherited[i] = was, true
          adjusted[#adjusted + 1] = i
          adjusted[#adjusted + 1] = was
        else
          -- Its owner alone settles a recipient, so this byte was written by nobody who may.
          return damaged(where .. ': recipient ' .. i .. ' has the code ' .. was % 32 .. ', its owner tells ' .. is % 32)
        end
      end
    end
  end
end
-- The byte of a credited recipient, for each number of posts.
local _, wanted = string.gsub(new_text, '[\1\33\65\97\129\161\193\225]', '')
-- What is settled by this very call counts: after Redis went back in time it is all that speaks for the credit in use.
local most = window_of(losses, settled + told, window)
if wanted > most then return redis.error_reply('LEDGER ' .. wanted .. ' credits exceed the window of ' .. most) end
if ending ~= '' and wanted > 0 then return redis.error_reply('LEDGER a batch ends without credit, ' .. wanted .. ' are left') end
if #changed % 8 ~= 0 or #gates % 8 ~= 0 then return redis.error_reply('LEDGER changed and gates come in pairs of 4 bytes') end
for p = 1, #changed, 8 do
  local position = int4(changed, p)
  if position < 1 or position > n then return redis.error_reply('LEDGER batch ' .. seq .. ' has no position ' .. position) end
end
for d = 0, dead_count - 1 do
  local position, ordinal = tonumber(ARGV[15 + d * 3]), tonumber(ARGV[16 + d * 3])
  local code = position and new[position] and code_of(new[position])
  if not code or not ordinal or not ARGV[17 + d * 3] or
    not (inherited[position] or (code >= DEAD_FIRST and code <= DEAD_LAST) or code == FAILED_ROTATED) then
    return redis.error_reply('LEDGER a dead channel of batch ' .. seq .. ' has no position whose outcome says so')
  end
end

-- The dead: removed only while the URI that was refused is still the channel's.
local at_arg = 15
if dead_count > 0 then
  local dead, answers, suspicious = tonumber(c[4] or '0'), tonumber(c[5] or '0'), c[9] == 'mass-removal'
  for _ = 1, dead_count do
    local position, ordinal, posted = tonumber(ARGV[at_arg]), tonumber(ARGV[at_arg + 1]), ARGV[at_arg + 2]
    at_arg = at_arg + 3
    if CLASS[code_of(old[position])] == 'pending' then
      if answers >= 500 and dead > answers * 0.2 and not final then
        -- Addresses that all look dead are more likely our fault than theirs: stop before the registry is emptied.
        state, final, suspicious = 'halted', CANCELLED, true
        redis.call('HSET', campaign, 'state', 'halted', 'reason', 'mass-removal')
      end
      if suspicious then
        new[position] = byte_of(final, posts_of(new[position]))
      else
        local page, slot = floor(ordinal / PAGE), ordinal % PAGE
        local value = redis.call('HGET', base .. 'uri:' .. page, slot)
        local a = value and string.find(value, '\0', 1, true)
        local z = a and (string.find(value, '\0', a + 1, true) or #value + 1)
        local uri = a and sub(value, a + 1, z - 1) or ''
        if uri == posted then
          redis.call('HSET', base .. 'uri:' .. page, slot, sub(value, 1, a) .. sub(value, z))
          redis.call('SETBIT', base .. 'occupied', ordinal, 0)
          dead = dead + 1
          if code_of(new[position]) == FAILED_ROTATED then new[position] = byte_of(DEAD_LAST, posts_of(new[position])) end
        elseif uri ~= '' then
          local was_rotated = code_of(new[position]) == FAILED_ROTATED
          new[position] = byte_of(was_rotated and FAILED_ROTATED or ROTATED, posts_of(new[position]))
        else
          dead = dead + 1
          if code_of(new[position]) == FAILED_ROTATED then new[position] = byte_of(DEAD_LAST, posts_of(new[position])) end
        end
      end
      adjusted[#adjusted + 1] = position
      adjusted[#adjusted + 1] = new[position]
    end
  end
end

-- Totals are the change of the vector, nothing else.
local answered, posts, refused = 0, 0, 0
for d = 1, count do
  local i = differs[d]
  local was, is = old[i], new[i]
  local is_code = is % 32
  if is_code == CREDITED and was % 32 ~= CREDITED and (final or state ~= 'sending') then
    new[i] = was
    adjusted[#adjusted + 1] = i
    adjusted[#adjusted + 1] = was
  else
    local is_class = CLASS[is_code]
    if is_class ~= 'pending' then
      counts[is_class] = (counts[is_class] or 0) + 1
      answered = answered + 1
      if is_code == BAD_REQUEST or is_code == TOO_LARGE then refused = refused + 1 end
    end
    posts = posts + (is - is_code - was + was % 32) / 32
  end
end
local packed = #adjusted > 0 and pack_bytes(new) or new_text

-- Stamps of the settled follow their outcome. A pending recipient
-- with a post keeps its stamp even where the others' are cleared, since the post may have been taken. What is kept
-- moves back a second: a stamp that another campaign sets within this one on a cleared recipient is then not ours.
if guard > 0 and (#changed > 0 or clears) then
  local stamps, ours, stamp_now = stamps_of(base, type), tonumber(b[5] or '-1'), pack4(second)
  for p = 1, #changed, 8 do
    local position, ordinal = int4(changed, p), int4(changed, p + 4)
    local code = code_of(new[position])
    if CLASS[code] ~= 'pending' then
      stamp_settled(stamps, ordinal, code, ours, stamp_now)
    elseif clears and stamps:get(ordinal) == ours then
      stamps:set(ordinal, posts_of(new[position]) == 0 and '\0\0\0\0' or pack4(ours - 1))
    end
  end
  stamps:save()
  if clears and b[5] then redis.call('HSET', key, 's', ours - 1) end
end

for p = 1, #gates, 8 do
  local ordinal, value = int4(gates, p), int4(gates, p + 4)
  local gate, offset = base .. 'gate:' .. floor(ordinal / PAGE), ordinal % PAGE * 4
  local before = int4(redis.call('GETRANGE', gate, offset, offset + 3), 1)
  local closed = before >= 2147483648 or value >= 2147483648
  local hold = math.max(before % 2147483648, value % 2147483648)
  redis.call('SETRANGE', gate, offset, pack4((closed and 2147483648 or 0) + hold))
end

local room = 10000 - redis.call('XLEN', campaign .. ':samples')
for a = at_arg, #ARGV do
  if room <= 0 then break end
  redis.call('XADD', campaign .. ':samples', '*', 'j', ARGV[a])
  room = room - 1
end

local totals = counts
settled = settled + answered
redis.call('HSET', key, 'q', number, 'p', settled)
if posts > 0 then
  redis.call('HINCRBY', campaign, 'posts', posts)
end
if answered > 0 then
  redis.call('HINCRBY', campaign, 'answers', answered)
  -- The pace of the last seconds: settled in the running window, and the rate of the one before.
  local w = redis.call('HMGET', campaign, 'windowAt', 'windowCount')
  local since = at - (tonumber(w[1]) or 0)
  if since >= 3000 then
    redis.call('HSET', campaign, 'windowAt', at, 'windowCount', answered,
      'rate', w[1] and since < 60000 and string.format('%.1f', (tonumber(w[2]) or 0) * 1000 / since) or '0')
  else
    redis.call('HINCRBY', campaign, 'windowCount', answered)
  end
end

renew_slot(base, type, c[6], c[7], c[8], counts)
if packed ~= old_text then redis.call('SET', key .. ':v', packed) end
add_totals(campaign, totals)

-- A campaign that is refused for what it is, or fails more than its owner will have, stops before more is spent on it.
if answered > 0 and not final then
  local t = redis.call('HMGET', campaign, 'answers', 'recent', 'recentRefused', 'maxFailureShare', 'n:rejected',
    'n:failed', 'n:dead', 'n:in_doubt')
  local answers, recent, refusals = tonumber(t[1]), (tonumber(t[2]) or 0) + answered, (tonumber(t[3]) or 0) + refused
  local limit = tonumber(t[4])
  local failures = (tonumber(t[5]) or 0) + (tonumber(t[6]) or 0) + (tonumber(t[7]) or 0) + (tonumber(t[8]) or 0)
  local reason
  if refusals > 0 and recent >= 50 and refusals >= recent / 2 then
    reason = 'breaker'
  elseif limit and answers >= 50 and failures > answers * limit then
    reason = 'failure-share'
  end
  if reason then
    state, final = 'halted', CANCELLED
    redis.call('HSET', campaign, 'state', state, 'reason', reason)
  end
  -- About the last 200 answers count; older ones fade.
  local fade = recent > 200 and 200 / recent or 1
  redis.call('HSET', campaign, 'recent', recent * fade, 'recentRefused', refusals * fade)
end

if ending ~= '' then
  local pending = 0
  for i = 1, n do if is_pending(new[i]) then pending = pending + 1 end end
  if final then
    seal_unplanned(campaign, final)
    local swept = pending
    close_with(base, campaign, key, n, final)
    if swept > 0 then counts[CLASS[final]] = (counts[CLASS[final]] or 0) + swept end
    leave_live(campaign, seq)
    return reply(finish_if_done(base, campaign, at), true)
  end
  if pending == 0 then
    redis.call('HSET', key, 'z', '1')
    redis.call('HDEL', key, 'st', 'd', 's', 'g', 'x', 'p', 'w')
    redis.call('HINCRBY', campaign, 'closed', 1)
    leave_live(campaign, seq)
    return reply(finish_if_done(base, campaign, at), true)
  end
  -- A close that is not one after all, since a channel was rotated, is a park of a second.
  redis.call('HSET', key, 'st', 'parked', 'd', tonumber(due) or at + 1000)
end
return reply(false, false)
