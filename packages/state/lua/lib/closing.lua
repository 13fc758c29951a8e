-- needs: read codes checks slots stamps events
-- How batches and campaigns end: totals, the stop of a campaign, closing a batch, finishing a campaign.

-- Add `totals` (class → count) to the campaign. `pending` is not stored: it is the rest of the audience.
local function add_totals(campaign, totals)
  for class, n in pairs(totals) do
    if class ~= 'pending' and n ~= 0 then redis.call('HINCRBY', campaign, 'total:' .. class, n) end
  end
end

-- The campaign fields that count settled recipients.
local function total_fields()
  return 'total:accepted', 'total:dropped', 'total:dead', 'total:rejected', 'total:failed', 'total:suppressed',
    'total:gated', 'total:unregistered', 'total:cancelled', 'total:lapsed', 'total:in_doubt'
end

-- The number of settled recipients by the totals; nil if one of them is not a count.
local function settled_of(campaign)
  local sum = 0
  for _, n in ipairs(redis.call('HMGET', campaign, total_fields())) do
    if n and not whole(n, 0, MAX_COUNT) then return nil end
    sum = sum + (tonumber(n) or 0)
  end
  return sum
end

-- Halt a campaign for good, unlike one that is held (lib/halts.lua).
local function halt(campaign, reason)
  redis.call('HSET', campaign, 'state', 'halted', 'reason', reason)
  redis.call('HDEL', campaign, 'heldBy')
end

-- The state of a campaign now: moves a campaign past its end to `expired`.
local function state_now(campaign, c, at)
  local may_send = c.state == 'sending' or c.state == 'paused' or c.state == 'scheduled'
  if may_send and c.expiresAt and at >= tonumber(c.expiresAt) then
    redis.call('HSET', campaign, 'state', 'expired', 'reason', 'expired')
    return 'expired'
  end
  return c.state
end

-- Remember `n` recipients that were settled without an owner that counts them in its metrics. The leader counts them
-- once the campaign has finished (campaign-take-uncounted). They only feed a metric, so a damaged count is replaced.
local function note_uncounted(campaign, class, n)
  if n <= 0 then return end
  local done = redis.pcall('HINCRBY', campaign, 'uncounted:' .. class, n)
  if type(done) == 'table' and done.err then redis.call('HSET', campaign, 'uncounted:' .. class, n) end
end

-- Add `totals` like `add_totals`, of recipients that no owner counts in its metrics.
local function add_uncounted_totals(campaign, totals)
  add_totals(campaign, totals)
  for class, n in pairs(totals) do note_uncounted(campaign, class, n) end
end

-- End the plan of a stopped campaign: recipients that were never planned take the code of the final state.
local function settle_unplanned(campaign, code)
  local c = fields(campaign, 'planComplete', 'audienceSize', 'plannedRecipients')
  if c.planComplete == '1' then return end
  local left = (tonumber(c.audienceSize) or 0) - (tonumber(c.plannedRecipients) or 0)
  if left > 0 then
    redis.call('HINCRBY', campaign, 'total:' .. CLASS[code], left)
    note_uncounted(campaign, CLASS[code], left)
  end
  redis.call('HSET', campaign, 'planComplete', '1', 'stopCode', code)
end

-- The set `parked` holds the live batches that wait for a time, so that the planner counts only those that do not. It
-- is a hint: a wrong one costs no recipient, so it is dropped.
local function set_parked(campaign, seq, is_parked)
  local parked = campaign .. ':parked'
  local done = redis.pcall(is_parked and 'SADD' or 'SREM', parked, seq)
  if type(done) == 'table' and done.err then redis.call('DEL', parked) end
end

-- How many live batches are open or wait for a worker.
local function active_batches(campaign)
  local parked = redis.pcall('SCARD', campaign .. ':parked')
  return math.max(0, redis.call('SCARD', campaign .. ':live') - (tonumber(parked) or 0))
end

-- The set `live` holds every batch that is planned and not closed, so that no script needs to look at all batches.
local function leave_live(campaign, seq)
  redis.call('SREM', campaign .. ':live', seq)
  set_parked(campaign, seq, false)
end

-- The batch fields that only an unclosed batch has.
local BATCH_TRANSIENT = { 'state', 'dueAt', 'readyAt', 'stampedAt', 'losses', 'suspect', 'settled', 'recoveredOwners' }

-- Mark a batch closed whose recipients are all settled.
local function mark_closed(campaign, key, seq)
  redis.call('HSET', key, 'closed', '1')
  redis.call('HDEL', key, unpack(BATCH_TRANSIENT))
  redis.call('HINCRBY', campaign, 'closed', 1)
  leave_live(campaign, seq)
end

-- Close a batch of a stopped campaign: every pending recipient takes `code`. A batch that was never opened needs no
-- vector: `closedAs` holds the code of all its recipients. Returns how many recipients took the code.
local function close_with(base, campaign, key, seq, n, code)
  local vector = redis.call('GET', key .. ':v')
  local changed, unposted = n, {}
  if not vector then
    redis.call('HSET', key, 'closedAs', code)
  else
    changed = 0
    local bytes = unpack_bytes(vector, n)
    for i = 1, n do
      if is_pending(bytes[i]) then
        local posts = posts_of(bytes[i])
        if posts == 0 then unposted[i] = true end
        bytes[i] = byte_of(code, posts)
        changed = changed + 1
      end
    end
    if changed > 0 then redis.call('SET', key .. ':v', pack_bytes(bytes)) end
    if next(unposted) then clear_stamps(base, campaign, key, unposted) end
  end
  if changed > 0 then redis.call('HINCRBY', campaign, 'total:' .. CLASS[code], changed) end
  mark_closed(campaign, key, seq)
  return changed
end

-- Does every batch have its vector, or the code of all its recipients? The longest script of all: with 20,000 batches
-- (ten million recipients) it takes 27 ms of Redis CPU, or 80 ms if no batch was ever opened, once per campaign.
local function have_outcomes(campaign, batches)
  for first = 0, batches - 1, 1000 do
    local vectors = {}
    for seq = first, math.min(first + 999, batches - 1) do vectors[#vectors + 1] = campaign .. ':b:' .. seq .. ':v' end
    if redis.call('EXISTS', unpack(vectors)) < #vectors then
      for at, vector in ipairs(vectors) do
        local key = campaign .. ':b:' .. first + at - 1
        if redis.call('EXISTS', vector) == 0 and redis.call('HEXISTS', key, 'closedAs') == 0 then return false end
      end
    end
  end
  return true
end

-- Report the end of a campaign with its totals.
local function report_finished(base, campaign)
  local c = fields(campaign, 'state', 'reason', 'type', 'topic', 'audienceSize')
  local totals = { pending = 0 }
  for at, n in ipairs(redis.call('HMGET', campaign, total_fields())) do
    totals[sub(select(at, total_fields()), 7)] = tonumber(n) or 0
  end
  add_campaign_event(base, campaign, 'campaign.finished', { state = c.state, reason = c.reason, type = c.type,
    topic = c.topic, audienceSize = tonumber(c.audienceSize) or 0, totals = totals })
end

-- Finish a campaign whose plan is complete and whose planned batches are all closed. Called wherever either changes.
-- The set `finished` makes the completion event at-least-once: the leader emits it, retires the campaign, then removes
-- the id.
local function finish_if_done(base, campaign, at)
  local c = fields(campaign, 'planComplete', 'planned', 'closed', 'state', 'finishedAt', 'posts', 'type', 'topic',
    'damaged', 'audienceSize', 'heldBy')
  if c.planComplete ~= '1' or c.planned ~= c.closed or c.finishedAt or c.damaged then return false end
  -- Totals that do not add up were written by another program. The leader finds this too, and starts the repair.
  if settled_of(campaign) ~= tonumber(c.audienceSize) then return false end
  -- The same holds for a closed batch that has lost its vector: the results would lack its recipients.
  if not have_outcomes(campaign, tonumber(c.planned)) then return false end
  if c.state == 'paused' and c.heldBy then
    halt(campaign, c.heldBy)
  elseif c.state == 'sending' or c.state == 'paused' then
    redis.call('HSET', campaign, 'state', 'completed')
    redis.call('HDEL', campaign, 'reason')
  end
  -- The id from the key, since the field `id` may be damaged.
  local id = sub(campaign, #base + 3)
  redis.call('HSET', campaign, 'finishedAt', at)
  redis.call('SADD', base .. 'finished', id)
  redis.call('SREM', base .. 'active', id)
  report_finished(base, campaign)
  topic_slots.leave(base, c.type, c.topic, id, c.posts and c.posts ~= '0')
  return true
end
