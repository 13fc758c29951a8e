-- Open a batch, or answer its owner again, and grant the first credit.
-- needs: read codes pages window checks stamps closing gates slot-names
-- KEYS[1] `<prefix>{<app>}:`   KEYS[2] the campaign's key
-- ARGV: 1 seq, 2 owner nonce, 3 window (maximum credit), 4 delivery, 5 type,
--       6 guard interval in seconds (0 = no guard), 7 max attempts, 8 '1' if variables are wanted,
--       9 '1' if the credit is for one probe, 10 '1' if raw gates are ignored
-- Returns an error DAMAGED or VERSION before any write if the ledger is not what a script could have left,
--      or {'closed' | 'missing' | 'paused'},
--      or {'not-due', dueAtMs},
--      or {'open', fence, takeover 0|1, nowMs, expiresAtMs, vector before the credit, vector,
--          ordinals (4 bytes each, big endian), channels, variables, heldUntilSecond or 0, uncertain, window,
--          settled (class, n, …) by this call, window until the first checkpoint}.
-- `channels` has the stored text of each recipient in the vector: the owner takes URI, locale and tags from it. It is
-- empty if nothing is to be posted now.
-- Idempotent for the same owner: the script answers again and changes nothing, whatever state the campaign has by then.
-- A late copy of the call may run while its owner works, and the owner would not learn of a change made here.
local base, campaign = KEYS[1], KEYS[2]
local seq, owner, window, delivery, type = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]
local guard, max_attempts, wants_vars = tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[8] == '1'
local is_probe, has_gates = ARGV[9] == '1', type == 'raw' and ARGV[10] ~= '1'
local key = campaign .. ':b:' .. seq

local where = 'batch ' .. seq
local c = fields(campaign, 'state', 'expiresAt', 'answers', 'version', 'topic', 'wavePages')
local wrong = wrong_campaign(c) or wrong_numbers('the campaign', c, 'answers')
if not wrong and c.wavePages and not whole(c.wavePages, 1, MAX_PAGE) then
  wrong = wrong_field('the campaign', 'wavePages', c.wavePages)
end
if wrong then return wrong end
if not c.state then return { 'missing' } end
local b = fields(key, 'range', 'state', 'owner', 'fence', 'takeovers', 'dueAt', 'stampedAt', 'closed', 'losses', 'suspect',
  'settled', 'recoveredOwners')
if b.err then return wrong_type(where) end
if not b.range then return wrong_absence(campaign, seq, key) or { 'missing' } end
if b.closed then return { 'closed' } end

local at = now_ms()
local second = floor(at / 1000)
local from, to, n, others_before, others_after = range_of(b.range)
if not from then return wrong_field(where, 'range', b.range) end
local state = state_now(campaign, c, at)
local mine = b.state == 'open' and b.owner == owner
local takeover = b.state == 'open' and not mine
local totals, uncertain = {}, 0

local stored = redis.pcall('GET', key .. ':v')
if stored and stored.err then return wrong_type('the vector of ' .. where) end
wrong = wrong_numbers(where, b, 'fence', 'takeovers', 'dueAt', 'stampedAt', 'losses', 'suspect', 'settled') or
  wrong_hold(where, b, stored, n)
if wrong then return wrong end
local vector = unpack_bytes(stored or string.rep('\0', n), n)

if state == 'scheduled' or (state == 'paused' and b.state ~= 'open') then return { 'paused' } end
-- An owner opens a batch once. If it has parked the batch since, this is a late copy of its call.
local due_at = tonumber(b.dueAt or '0')
if b.state == 'parked' and (b.owner == owner or (state == 'sending' and due_at > at)) then return { 'not-due', due_at } end

-- Find the recipients before the first write: Redis does not undo a script that fails halfway.
local final = stop_code(state)
local slots_by_page, found = {}, 0
if not final then
  for page = from, to do
    slots_by_page[page] = slots_in_batch(campaign, page, from, to, others_before, others_after)
    found = found + #slots_by_page[page]
  end
  if found ~= n then return damaged(where .. ' names ' .. n .. ' recipients, its pages hold ' .. found) end
end

-- Count owners that were lost in a row, each after settling little: three make the batch suspect of holding a
-- recipient that crashes its owner. An open that settles half a window clears the suspicion.
local losses, settled = tonumber(b.losses or '0'), tonumber(b.settled or '0')
local was_suspected = is_suspected(losses)
if not mine then
  if not is_probe and settled >= window / 2 then losses = 0 end
  if takeover then losses = losses + 1 end
  settled = 0
end
if takeover then
  -- The lost owner may have posted to each credited recipient.
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
  -- Poison: a recipient that alone had credit in a suspect batch when its owner was lost, twice in a row.
  local suspect = was_suspected and count == 1 and first or 0
  if suspect > 0 and delivery ~= 'at-most-once' and b.suspect == tostring(suspect) then
    vector[first] = byte_of(POISON, posts_of(vector[first]))
    totals['failed'] = (totals['failed'] or 0) + 1
    suspect = 0
  end
  redis.call('HSET', key, 'suspect', suspect)
  redis.call('HINCRBY', key, 'takeovers', 1)
  redis.call('HINCRBY', campaign, 'takeovers', 1)
end

if not mine and (final or state == 'completed') then
  redis.call('SET', key .. ':v', pack_bytes(vector))
  add_uncounted_totals(campaign, totals)
  if final then settle_unplanned(campaign, final) end
  local code = final or CANCELLED
  note_uncounted(campaign, CLASS[code], close_with(base, campaign, key, seq, n, code))
  finish_if_done(base, campaign, at)
  return { 'closed' }
end

local fence = tonumber(b.fence or '0')
if not mine then
  fence = fence + 1
  redis.call('HSET', key, 'state', 'open', 'owner', owner, 'fence', fence, 'checkpoint', 0, 'losses', losses,
    'settled', settled)
  redis.call('HDEL', key, 'dueAt')
  set_parked(campaign, seq, false)
end
if state == 'paused' and not mine then
  -- The campaign is paused and the owner is lost: settle the uncertain recipients, then leave the batch parked.
  redis.call('SET', key .. ':v', pack_bytes(vector))
  add_uncounted_totals(campaign, totals)
  redis.call('HSET', key, 'state', 'parked')
  set_parked(campaign, seq, true)
  return { 'paused' }
end

-- Decide for each recipient: post now, settle without a post, or hold.
local ordinals, channels, vars = {}, {}, {}
local stamps = guard > 0 and not mine and stamps_of(base, type)
local ours, stamp_now = tonumber(b.stampedAt or '-1'), pack4(second)
local held_until, i, unusable, last_credited, find = 0, 0, {}, 0, string.find
if mine then
  for p = 1, n do if code_of(vector[p]) == CREDITED then last_credited = p end end
end
local wave_pages = tonumber(c.wavePages or ONE_WAVE)
for wave_page = from, to do
  local slots = slots_by_page[wave_page] or slots_in_batch(campaign, wave_page, from, to, others_before, others_after)
  if #slots > 0 then
    local page = wave_page % wave_pages
    local names = slot_names(slots)
    local values = redis.call('HMGET', base .. 'uri:' .. page, unpack(names))
    ordinals[#ordinals + 1] = ordinals_of(page, slots)
    local by_vars = wants_vars and redis.call('HMGET', base .. 'vars:' .. page, unpack(names))
    local holds = redis.call('GET', base .. 'hold:' .. page)
    local opted, gated = bits_of_page(base .. 'optout', page), has_gates and bits_of_page(base .. 'gated', page)
    local opted_topic = bits_of_page(base .. 'optout:' .. (c.topic or ''), page)
    local stamp_text, stamp_changes = stamps and stamps:text(page), stamps and stamps:changes(page)
    for s = 1, #slots do
      local slot = slots[s]
      i = i + 1
      channels[i] = ''
      if wants_vars then vars[i] = by_vars[s] or '' end
      local code = (vector[i] or 0) % 32
      if CLASS[code] == 'pending' then
        local value = values[s]
        -- <packed id> \0 <packed URI> \0 <fields>; without a URI if the channel is dead or removed.
        local a = value and find(value, '\0', 1, true)
        local has_uri = a and (byte(value, a + 1) or 0) ~= 0
        local settle, held = nil, 0
        if not has_uri then
          settle = UNREGISTERED
        elseif (opted and has_bit(opted, slot)) or (opted_topic and has_bit(opted_topic, slot)) then
          settle = SUPPRESSED_OPT_OUT
        elseif gated and has_bit(gated, slot) then
          settle = GATED
        elseif holds then
          -- Without the highest bit it is no hold (lib/gates.lua).
          local hold = int4(holds, slot * 4 + 1) - HOLD
          if hold > second then held = hold end
        end
        if not settle and stamps then
          local stamp = stamp_text == '' and 0 or int4(stamp_text, slot * 4 + 1)
          if stamp ~= ours and stamp ~= 0 and second - stamp < guard then
            settle = SUPPRESSED_GUARD
          elseif stamp ~= second then
            stamp_changes[slot] = stamp_now
          end
        end
        if mine and code == CREDITED then
          -- The channel was removed after the grant: report it without credit, so that the owner returns the credit.
          if has_uri then channels[i] = value else unusable[#unusable + 1] = i end
        elseif mine and (settle or i < last_credited) then
          channels[i] = '' -- It was passed over when credit was granted; the next open decides again.
        elseif settle then
          vector[i] = byte_of(settle, posts_of(vector[i]))
          totals[CLASS[settle]] = (totals[CLASS[settle]] or 0) + 1
        elseif held > 0 then
          if held_until == 0 or held < held_until then held_until = held end
        else
          channels[i] = value
        end
      end
    end
  end
end

local grants = window_of(losses, settled, window)
local credit = math.min(grants, ramp(tonumber(c.answers or '0')))
local before = pack_bytes(vector)
if not mine then
  local granted = 0
  if is_probe then
    -- A probe goes to the recipient with the fewest posts, so that no single recipient is posted to again and again.
    local fewest
    for p = 1, n do
      if channels[p] ~= '' and (not fewest or posts_of(vector[p]) < posts_of(vector[fewest])) then fewest = p end
    end
    if fewest then vector[fewest] = vector[fewest] - code_of(vector[fewest]) + CREDITED end
    granted = credit
  end
  for p = 1, n do
    if granted == credit then break end
    if channels[p] ~= '' then
      vector[p] = vector[p] - code_of(vector[p]) + CREDITED
      granted = granted + 1
    end
  end
end
if stamps then
  stamps:save()
  redis.call('HSET', key, 'stampedAt', second)
end
for _, p in ipairs(unusable) do vector[p] = vector[p] - CREDITED + PENDING end
local packed = pack_bytes(vector)
if not mine and packed ~= stored then redis.call('SET', key .. ':v', packed) end
add_totals(campaign, totals)
return { 'open', fence, takeover and 1 or 0, at, tonumber(c.expiresAt), before, packed, table.concat(ordinals), channels, vars,
  held_until, uncertain, grants, list_of(totals), credit }
