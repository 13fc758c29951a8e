-- Record the outcomes that an owner reports for its batch, and grant the next credit.
-- needs: read codes pages window checks slots stamps closing events halts uri-index gates
-- KEYS[1] `<prefix>{<app>}:`   KEYS[2] the campaign's key
-- ARGV: 1 seq, 2 owner nonce, 3 fence, 4 checkpoint number (from 1, one more each time), 5 window of the terms, 6 type,
--       7 guard interval in seconds (0 = no guard),
--       8 vector: outcomes, retries, and the credit wanted,
--       9 end: '' | 'close' | 'park', 10 dueAtMs for a park, 11 '1' if a park clears our stamps,
--       12 changed: 4-byte position and 4-byte ordinal of each recipient settled since the last checkpoint,
--       13 gates: 4 bytes each of ordinal, value (highest bit: close the raw gate; the rest: second to hold until) and
--       second of the post, 14 number of dead channels, then for each: position (from 1), ordinal, posted URI;
--       then the posted URI of each of the gates;
--       then the samples, each a JSON text.
-- A recipient that a merge has settled (ledger-merge.lua) keeps its outcome, and the reply contains it.
-- A recipient whose URI had changed once before is sent as FAILED_ROTATED: it keeps that code only if the URI has
-- changed again.
-- Returns an error DAMAGED or VERSION before any write if the ledger is not what a script could have left,
--   an error LEDGER before any write if the call contradicts the protocol,
--   {'fenced', rolled back 0|1} if another owner has the batch, {'closed'} if the batch is closed already, else
--   {'ok', state, nowMs, adjusted: {position, byte, …}, live batches, plan cursor (-1 = plan complete),
--    campaign finished 0|1, batch closed 0|1, settled: {class, n, …} by this call, window from now on,
--    rolled back 0|1}.
-- Rolled back: Redis has lost an open or a checkpoint of this owner that it had acknowledged. Each call carries the
-- whole vector, so this checkpoint restores the lost one.
-- Idempotent: a checkpoint number that was seen before changes nothing, even after it has parked or closed the batch.
-- Totals follow from the change of the vector.
local base, campaign = KEYS[1], KEYS[2]
local seq, owner, fence, number = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local window, type, guard = tonumber(ARGV[5]), ARGV[6], tonumber(ARGV[7])
local new_text, ending, due, clears = ARGV[8], ARGV[9], ARGV[10], ARGV[11] == '1'
local changed, gates, dead_count = ARGV[12], ARGV[13], tonumber(ARGV[14])
local key = campaign .. ':b:' .. seq
local STRETCH = 32

local b = fields(key, 'range', 'owner', 'fence', 'checkpoint', 'stampedAt', 'closed', 'state', 'losses', 'settled',
  'recoveredOwners')
local c = fields(campaign, 'state', 'expiresAt', 'total:dead', 'answers', 'id', 'topic', 'topicIntervalMs', 'version',
  unpack(HALT_FIELDS))
local where = 'batch ' .. seq
local wrong = wrong_campaign(c)
if wrong then return wrong end
if b.err then return wrong_type(where) end
if not c.state then return { 'fenced', 0 } end
-- The campaign exists and the batch does not: Redis has lost the plan step.
if not b.range then return wrong_absence(campaign, seq, key) or { 'fenced', 1 } end
if b.fence and not b.owner and not b.closed then return wrong_field(where, 'owner', b.owner) end
if b.owner and not b.fence then return wrong_field(where, 'fence', b.fence) end
if not (is_count(b.fence) and is_count(b.checkpoint) and is_count(b.stampedAt) and is_count(b.losses) and
  is_count(b.settled) and is_count(c['total:dead']) and is_count(c.answers) and is_count(c.topicIntervalMs)) then
  return wrong_numbers(where, b, 'fence', 'checkpoint', 'stampedAt', 'losses', 'settled') or
    wrong_numbers('the campaign', c, 'total:dead', 'answers', 'topicIntervalMs')
end
if b.owner ~= owner or b.fence ~= fence then
  if b.closed then return { 'closed' } end
  -- A fence only rises, and each value is given once. If ours is not stored, Redis has gone back in time.
  return { 'fenced', tonumber(b.fence or '0') <= tonumber(fence) and 1 or 0 }
end

local at = now_ms()
local second = floor(at / 1000)
local state = state_now(campaign, c, at)
local final = stop_code(state)
local _, _, n = range_of(b.range)
if not n then return wrong_field(where, 'range', b.range) end
local adjusted, counts = {}, {}
-- How many owners in a row were lost early, and how many recipients this open has settled.
local losses, settled = tonumber(b.losses or '0'), tonumber(b.settled or '0')
local function reply(finished, closed)
  local now = fields(campaign, 'planComplete', 'planned', 'answers', 'wakeAt')
  return { 'ok', state, at, adjusted, redis.call('SCARD', campaign .. ':live'),
    now.planComplete == '1' and -1 or tonumber(now.planned or '0'), finished and 1 or 0, closed and 1 or 0,
    list_of(counts), math.min(window_of(losses, settled, window), ramp(tonumber(now.answers or '0'))),
    number > tonumber(b.checkpoint or '0') + 1 and 1 or 0, active_batches(campaign), tonumber(now.wakeAt or '0') or 0 }
end
local function adjust(position, value)
  adjusted[#adjusted + 1] = position
  adjusted[#adjusted + 1] = value
end

local old_text = redis.pcall('GET', key .. ':v')
if not old_text then return damaged(where .. ': its vector is missing') end
if old_text.err then return wrong_type('the vector of ' .. where) end
if #old_text ~= n then return damaged(where .. ': its vector has ' .. #old_text .. ' bytes for ' .. n .. ' recipients') end
if #new_text ~= n then return refused('the vector of ' .. where .. ' must have ' .. n .. ' bytes; found ' .. #new_text) end
if number <= tonumber(b.checkpoint or '0') then
  -- The first reply was lost: report again where the stored vector differs from the one that was sent.
  local new, old = unpack_bytes(new_text, n), unpack_bytes(old_text, n)
  for i = 1, n do
    if old[i] ~= new[i] then adjust(i, old[i]) end
  end
  return reply(false, b.closed)
end
if b.closed then return { 'closed' } end
if b.state ~= 'open' then
  if b.state ~= 'parked' then return wrong_field(where, 'state', b.state) end
  return { 'fenced', 0 }
end

-- Step 1: find what changes, and reject the whole call before the first write if it does not fit.
local old, new = unpack_bytes(old_text, n), unpack_bytes(new_text, n)
-- Most of a vector is the same in two checkpoints: look only into stretches that differ.
local differs, count, newly_settled, merged = {}, 0, 0, {}
for first = 1, n, STRETCH do
  local last = math.min(first + STRETCH - 1, n)
  if sub(old_text, first, last) ~= sub(new_text, first, last) then
    for i = first, last do
      local was, is = old[i], new[i]
      if was ~= is then
        local was_class = CLASS[was % 32]
        if was_class == 'pending' then
          if CLASS[is % 32] ~= 'pending' then newly_settled = newly_settled + 1 end
          count = count + 1
          differs[count] = i
        elseif was_class and (CLASS[is % 32] == 'pending' or b.recoveredOwners) then
          new[i], merged[i] = was, true
          adjust(i, was)
        else
          -- Only the owner settles a recipient, so another program wrote this byte.
          return damaged(where .. ': recipient ' .. i .. ' has the code ' .. was % 32 .. ', its owner sends ' .. is % 32)
        end
      end
    end
  end
end
local _, wanted = string.gsub(new_text, CREDITED_BYTES, '')
-- Recipients settled by this call count: after a rollback nothing else explains the credit in use.
local most = window_of(losses, settled + newly_settled, window)
if wanted > most then return refused(wanted .. ' credits exceed the window of ' .. most) end
if ending ~= '' and wanted > 0 then return refused('a batch must end without credit; found ' .. wanted) end
if #changed % 8 ~= 0 then return refused('changed must be pairs of 4 bytes') end
local positions, changed_count = {}, #changed / 8
for k = 1, changed_count do
  local a, b1, c1, d1 = byte(changed, k * 8 - 7, k * 8 - 4)
  local position = ((a * 256 + b1) * 256 + c1) * 256 + d1
  if position < 1 or position > n then return refused(where .. ' has no position ' .. position) end
  positions[k] = position
end
for d = 0, dead_count - 1 do
  local position, ordinal = tonumber(ARGV[15 + d * 3]), tonumber(ARGV[16 + d * 3])
  local code = position and new[position] and code_of(new[position])
  if not code or not ordinal or not ARGV[17 + d * 3] or
    not (merged[position] or (code >= DEAD_FIRST and code <= DEAD_LAST) or code == FAILED_ROTATED) then
    return refused('a dead channel of ' .. where .. ' must have a position with a dead or rotated outcome')
  end
end
if #gates % 12 ~= 0 or #ARGV < 14 + dead_count * 3 + #gates / 12 then
  return refused('gates must be 12 bytes each and have their URIs')
end

-- Step 2: remove dead channels, but only while the rejected URI is still the URI of the channel, and while not too many
-- are removed.
local at_arg, suspects, not_removed, removed = 15, {}, {}, {}
if dead_count > 0 then
  local dead, answers = tonumber(c['total:dead'] or '0'), tonumber(c.answers or '0')
  for _ = 1, dead_count do
    local position, ordinal, posted = tonumber(ARGV[at_arg]), tonumber(ARGV[at_arg + 1]), ARGV[at_arg + 2]
    at_arg = at_arg + 3
    if CLASS[code_of(old[position])] == 'pending' then
      local code, posts = code_of(new[position]), posts_of(new[position])
      if removes_too_many(c, dead, answers) then
        if not final then
          hold(base, campaign, c, MASS_REMOVAL)
          state = 'paused'
        end
        local is_rotated = code == FAILED_ROTATED
        not_removed[#not_removed + 1] = not_removed_entry(position, is_rotated and DEAD_LAST or code)
        suspects[position] = true
        new[position] = byte_of(final or (is_rotated and ROTATED or PENDING), posts)
      else
        local page, slot = floor(ordinal / PAGE), ordinal % PAGE
        local value = redis.call('HGET', base .. 'uri:' .. page, slot)
        local a = value and string.find(value, '\0', 1, true)
        local z = a and (string.find(value, '\0', a + 1, true) or #value + 1)
        local uri = a and sub(value, a + 1, z - 1) or ''
        if uri == posted then
          redis.call('HSET', base .. 'uri:' .. page, slot, sub(value, 1, a) .. sub(value, z))
          redis.call('SETBIT', base .. 'occupied', ordinal, 0)
          forget_uri(base, uri, ordinal)
          removed[#removed + 1] = sub(value, 1, a - 1)
        end
        if uri ~= posted and uri ~= '' then
          new[position] = byte_of(code == FAILED_ROTATED and FAILED_ROTATED or ROTATED, posts)
        else
          dead = dead + 1
          if code == FAILED_ROTATED then new[position] = byte_of(DEAD_LAST, posts) end
        end
      end
      adjust(position, new[position])
    end
  end
  note_not_removed(key, not_removed)
  note_removed(base, removed)
end

-- Step 3: write the vector and what follows from its change: totals, stamps, gates, samples.
local answered, posts, refusals = 0, 0, 0
for d = 1, count do
  local i = differs[d]
  local was, is = old[i], new[i]
  local is_code = is % 32
  if is_code == CREDITED and was % 32 ~= CREDITED and (final or state ~= 'sending') then
    new[i] = was
    adjust(i, was)
  else
    local is_class = CLASS[is_code]
    if is_class ~= 'pending' then
      counts[is_class] = (counts[is_class] or 0) + 1
      answered = answered + 1
      if is_code == BAD_REQUEST or is_code == TOO_LARGE then refusals = refusals + 1 end
    end
    posts = posts + (is - is_code - was + was % 32) / 32
  end
end
local packed = #adjusted > 0 and pack_bytes(new) or new_text

-- The stamp of a settled recipient follows its outcome. A pending recipient with a post keeps its stamp even if the
-- park clears stamps, since WNS may have accepted the post. Kept stamps move back one second: a stamp that another
-- campaign sets within this second on a cleared recipient is then not taken for ours.
if guard > 0 and (#changed > 0 or clears) then
  local stamps, ours, stamp_now = stamps_of(base, type), tonumber(b.stampedAt or '-1'), pack4(second)
  local last_page, changes
  for k = 1, changed_count do
    local position = positions[k]
    local ordinal, code = int4(changed, k * 8 - 3), new[position] % 32
    if code == ACCEPTED then
      local page = floor(ordinal / PAGE)
      if page ~= last_page then last_page, changes = page, stamps:changes(page) end
      changes[ordinal % PAGE] = stamp_now
    elseif suspects[position] then
      stamp_settled(stamps, ordinal, DEAD_LAST, ours, stamp_now)
    elseif CLASS[code] ~= 'pending' then
      stamp_settled(stamps, ordinal, code, ours, stamp_now)
    elseif clears and stamps:get(ordinal) == ours then
      stamps:set(ordinal, posts_of(new[position]) == 0 and '\0\0\0\0' or pack4(ours - 1))
    end
  end
  stamps:save()
  if clears and b.stampedAt then redis.call('HSET', key, 'stampedAt', ours - 1) end
end

for p = 1, #gates, 12 do
  note_answer(base, int4(gates, p), int4(gates, p + 4), int4(gates, p + 8), ARGV[at_arg])
  at_arg = at_arg + 1
end

local room = 10000 - redis.call('XLEN', campaign .. ':samples')
for a = at_arg, #ARGV do
  if room <= 0 then break end
  redis.call('XADD', campaign .. ':samples', '*', 'j', ARGV[a])
  room = room - 1
end

settled = settled + answered
redis.call('HSET', key, 'checkpoint', number, 'settled', settled)
if posts > 0 then redis.call('HINCRBY', campaign, 'posts', posts) end
if answered > 0 then
  redis.call('HINCRBY', campaign, 'answers', answered)
  -- The rate of the last seconds: recipients settled in the running interval, and the rate of the interval before.
  local r = fields(campaign, 'rateSince', 'rateCount')
  local since = at - (tonumber(r.rateSince) or 0)
  if since >= 3000 then
    redis.call('HSET', campaign, 'rateSince', at, 'rateCount', answered, 'ratePerSecond',
      r.rateSince and since < 60000 and string.format('%.1f', (tonumber(r.rateCount) or 0) * 1000 / since) or '0')
  else
    redis.call('HINCRBY', campaign, 'rateCount', answered)
  end
end

topic_slots.renew(base, type, c, counts)
if packed ~= old_text then redis.call('SET', key .. ':v', packed) end
add_totals(campaign, counts)

-- Step 4: hold a campaign that WNS rejects as malformed, or that fails more than its owner allows.
local cause = answered > 0 and not final and cause_of(campaign, c, answered, refusals)
if cause then
  hold(base, campaign, c, cause)
  state = 'paused'
end

-- Step 5: end the batch.
if ending ~= '' then
  if final then
    settle_unplanned(campaign, final)
    local stopped = close_with(base, campaign, key, seq, n, final)
    if stopped > 0 then counts[CLASS[final]] = (counts[CLASS[final]] or 0) + stopped end
    return reply(finish_if_done(base, campaign, at), true)
  end
  local pending = 0
  for i = 1, n do if is_pending(new[i]) then pending = pending + 1 end end
  if pending == 0 then
    mark_closed(campaign, key, seq)
    return reply(finish_if_done(base, campaign, at), true)
  end
  -- A close that leaves recipients pending, since a channel was rotated, is a park of one second.
  redis.call('HSET', key, 'state', 'parked', 'dueAt', tonumber(due) or at + 1000)
  set_parked(campaign, seq, true)
end
return reply(false, false)
