-- Take a batch in hand, or resume it, and grant the first credit.
-- KEYS[1] `<prefix>{<app>}:`   KEYS[2] the campaign's key
-- ARGV: 1 seq, 2 owner nonce, 3 window (credit at most), 4 delivery, 5 type, 6 guard window in seconds (0 = no guard),
--       7 max attempts, 8 '1' when variables are wanted, 9 '1' when locales are wanted,
--       10 '1' when the credit is for one probe
-- Returns an error DAMAGED or VERSION, and has written nothing, where the ledger is not what a script could have left,
--      or {'closed' | 'missing' | 'paused'},
--      or {'not-due', dueAtMs},
--      or {'open', fence, takeover 0|1, nowMs, expiresMs, vector before the credit, vector, ordinals (4 bytes each, big
--          endian), uris, variables, variants (a byte a recipient: 0 = the notification itself), heldUntilSecond or 0,
--          uncertain, window in force, counts (class, n, …) of what this call settled,
--          window for the beginning}.
-- `uris` has a text for each recipient in the vector; empty where nothing is to be posted now.
-- Idempotent for the same owner: answers again, whatever became of the campaign meanwhile, and changes nothing. An open
-- may be carried out late, when its owner is at work already, and anything settled or credited here would be news to it.
local base, campaign = KEYS[1], KEYS[2]
local seq, owner, window, delivery, type = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]
local guard, max_attempts, wants_vars = tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[8] == '1'
local wants_locales, spare = ARGV[9] == '1', ARGV[10] == '1'
local key = campaign .. ':b:' .. seq

local where = 'batch ' .. seq
local c = redis.pcall('HMGET', campaign, 'state', 'expires', 'answers', 'v')
local wrong = wrong_campaign(c, c[4], c[1], c[2]) or wrong_numbers('the campaign', { 'answers', c[3] })
if wrong then return wrong end
if not c[1] then return { 'missing' } end
local b = redis.pcall('HMGET', key, 'r', 'st', 'o', 'f', 'k', 'd', 's', 'z', 'g', 'x', 'p', 'w')
if b.err then return wrong_type(where) end
if not b[1] then return wrong_absence(campaign, seq, key) or { 'missing' } end
if b[8] then return { 'closed' } end

local at = now_ms()
local second = floor(at / 1000)
local from, to, n = range_of(b[1])
if not from then return wrong_field(where, 'range', b[1]) end
local state = state_now(campaign, c[1], c[2], at)
local mine = b[2] == 'open' and b[3] == owner
local takeover = b[2] == 'open' and not mine
local totals, uncertain = {}, 0

local stored = redis.pcall('GET', key .. ':v')
if stored and stored.err then return wrong_type('the vector of ' .. where) end
wrong = wrong_numbers(where, { 'fence', b[4], 'takeovers', b[5], 'due', b[6], 'stamp', b[7], 'losses', b[9], 'suspect', b[10],
  'settled', b[11] }) or
  wrong_hold(where, b[2], b[3], b[4], stored, n, b[12])
if wrong then return wrong end
local vector = unpack_bytes(stored or string.rep('\0', n), n)

if state == 'scheduled' or (state == 'paused' and b[2] ~= 'open') then return { 'paused' } end
-- An owner opens once: one that has parked the batch since is not there any more, and this is its call arriving late.
if b[2] == 'parked' and (b[3] == owner or (state == 'sending' and tonumber(b[6] or '0') > at)) then
  return { 'not-due', tonumber(b[6] or '0') }
end

-- Who is in the batch; told before anything is written, since a script that fails half-way is not undone.
local final = stop_code(state)
local slots_by_page, found = {}, 0
if not final then
  for page = from, to do
    slots_by_page[page] = slots_of(campaign, page)
    found = found + #slots_by_page[page]
  end
  if found ~= n then return damaged(where .. ' names ' .. n .. ' recipients, its pages hold ' .. found) end
end

-- Owners lost one after the other, each with little settled in its open: three make the batch suspected of holding
-- somebody who kills its owners. An open that settles half a window clears it.
local losses, settled = tonumber(b[9] or '0'), tonumber(b[11] or '0')
local was_suspected = is_suspected(losses)
if not mine then
  if not spare and settled >= window / 2 then losses = 0 end
  if takeover then losses = losses + 1 end
  settled = 0
end
if takeover then
  -- Whoever held the batch may have posted to each credited recipient, and nobody can tell.
  local first, count = nil, 0
  for i = 1, n do
    if code_of(vector[i]) == CREDITED then
      first, count = first or i, count + 1
      local posts = posts_of(vector[i])
      if delivery == 'at-most-once' then
        vector[i] = byte_of(IN_DOUBT, posts + 1)
        totals['in_doubt'] = (totals['in_doubt'] or 0) + 1
      else
        local spent = math.min(posts, max_attempts - 1, 5)
        vector[i] = byte_of(spent == 0 and PENDING or RETRY1 + spent - 1, posts + 1)
      end
    end
  end
  uncertain = count
  if count > 0 then redis.call('HINCRBY', campaign, 'posts', count) end
  -- Alone under credit in a suspected batch, and its owner lost, twice in a row: this recipient is what kills its owners.
  local suspect = was_suspected and count == 1 and first or 0
  if suspect > 0 and delivery ~= 'at-most-once' and b[10] == tostring(suspect) then
    vector[first] = byte_of(POISON, posts_of(vector[first]))
    totals['failed'] = (totals['failed'] or 0) + 1
    suspect = 0
  end
  redis.call('HSET', key, 'x', suspect)
  redis.call('HINCRBY', key, 'k', 1)
  redis.call('HINCRBY', campaign, 'takeovers', 1)
end

if not mine and (final or state == 'completed') then
  redis.call('SET', key .. ':v', pack_bytes(vector))
  add_totals(campaign, totals)
  if final then seal_unplanned(campaign, final) end
  close_with(base, campaign, key, n, final or CANCELLED)
  leave_live(campaign, seq)
  finish_if_done(base, campaign, at)
  return { 'closed' }
end

local fence = tonumber(b[4] or '0')
if not mine then
  fence = fence + 1
  redis.call('HSET', key, 'st', 'open', 'o', owner, 'f', fence, 'q', 0, 'g', losses, 'p', settled)
  redis.call('HDEL', key, 'd')
end
if state == 'paused' and not mine then
  -- A dead owner's batch of a paused campaign: settle what is uncertain, then leave it as paused.
  redis.call('SET', key .. ':v', pack_bytes(vector))
  add_totals(campaign, totals)
  redis.call('HSET', key, 'st', 'parked')
  return { 'paused' }
end

-- What may be posted to them now.
local ordinals, uris, vars, locales = {}, {}, {}, {}
local stamps = guard > 0 and not mine and stamps_of(base, type)
local ours, stamp_now = tonumber(b[7] or '-1'), pack4(second)
local held_until, i, unusable, last_credited = 0, 0, {}, 0
if mine then
  for p = 1, n do if code_of(vector[p]) == CREDITED then last_credited = p end end
end
for page = from, to do
  local slots = slots_by_page[page] or slots_of(campaign, page)
  if #slots > 0 then
    local values = redis.call('HMGET', base .. 'uri:' .. page, unpack(slots))
    -- All ordinals of a page share their upper 23 bits.
    local lower, upper = sub(pack4(page * PAGE), 1, 3), sub(pack4(page * PAGE + 256), 1, 3)
    local by_vars = wants_vars and redis.call('HMGET', base .. 'vars:' .. page, unpack(slots))
    local gates = redis.call('GET', base .. 'gate:' .. page)
    local opted = redis.call('GETRANGE', base .. 'optout', page * 64, page * 64 + 63)
    if not string.find(opted, '[^%z]') then opted = nil end
    for s = 1, #slots do
      local slot = slots[s]
      local ordinal = page * PAGE + slot
      i = i + 1
      ordinals[i] = slot < 256 and lower .. char(slot) or upper .. char(slot - 256)
      uris[i] = ''
      if wants_vars then vars[i] = by_vars[s] or '' end
      if wants_locales then locales[i] = '' end
      local code = code_of(vector[i] or 0)
      if CLASS[code] == 'pending' then
        local value = values[s]
        local a = value and string.find(value, '\0', 1, true)
        local z = a and string.find(value, '\0', a + 1, true)
        local uri = a and sub(value, a + 1, (z or #value + 1) - 1) or ''
        local settle, held = nil, 0
        if uri == '' then
          settle = UNREGISTERED
        elseif opted and floor((byte(opted, floor(slot / 8) + 1) or 0) / 2 ^ (7 - slot % 8)) % 2 == 1 then
          settle = SUPPRESSED_OPT_OUT
        end
        if not settle and gates then
          local gate = int4(gates, slot * 4 + 1)
          if gate >= 2147483648 then
            gate = gate - 2147483648
            if type == 'raw' then settle = GATED end
          end
          if gate > second then held = gate end
        end
        if not settle and stamps then
          local stamp = stamps:get(ordinal)
          if stamp ~= ours and stamp ~= 0 and second - stamp < guard then
            settle = SUPPRESSED_GUARD
          elseif stamp ~= second then
            stamps:set(ordinal, stamp_now)
          end
        end
        if mine and code == CREDITED then
          uris[i] = uri
          -- It left after the credit was granted: told as not credited, so that its owner gives the credit back.
          if uri == '' then unusable[#unusable + 1] = i end
        elseif mine and (settle or i < last_credited) then
          uris[i] = '' -- it got no credit in its turn; whoever opens next judges it afresh
        elseif settle then
          vector[i] = byte_of(settle, posts_of(vector[i]))
          totals[CLASS[settle]] = (totals[CLASS[settle]] or 0) + 1
        elseif held > 0 then
          if held_until == 0 or held < held_until then held_until = held end
        else
          uris[i] = uri
        end
        if wants_locales and z and uris[i] ~= '' then locales[i] = string.match(sub(value, z + 1), '^[^;]*;([^;]*)') or '' end
      end
    end
  end
end

-- Few recipients at first while the campaign has few answers: if everybody refuses it, few posts tell.
local grants = window_of(losses, settled, window)
local credit = math.min(grants, ramp(tonumber(c[3] or '0')))
local before = pack_bytes(vector)
if not mine then
  local granted = 0
  if spare then
    -- A probe goes to whoever was posted to the least, so that no one recipient pays for an app that is refused.
    local fewest
    for p = 1, n do
      if uris[p] ~= '' and (not fewest or posts_of(vector[p]) < posts_of(vector[fewest])) then fewest = p end
    end
    if fewest then vector[fewest] = vector[fewest] - code_of(vector[fewest]) + CREDITED end
    granted = credit
  end
  for p = 1, n do
    if granted == credit then break end
    if uris[p] ~= '' then
      vector[p] = vector[p] - code_of(vector[p]) + CREDITED
      granted = granted + 1
    end
  end
end
if stamps then
  stamps:save()
  redis.call('HSET', key, 's', second)
end
for _, p in ipairs(unusable) do vector[p] = vector[p] - CREDITED + PENDING end
local packed = pack_bytes(vector)
if not mine and packed ~= stored then redis.call('SET', key .. ':v', packed) end
add_totals(campaign, totals)
local counts = {}
for class, count in pairs(totals) do counts[#counts + 1] = class; counts[#counts + 1] = count end
return { 'open', fence, takeover and 1 or 0, at, tonumber(c[2]), before, packed, table.concat(ordinals), uris, vars, locales,
  held_until, uncertain, grants, counts, credit }
