-- Store a campaign once, and take a guard slot of its topic if it starts now.
-- needs: read codes pages checks slots stamps closing
-- KEYS[1] `<prefix>{<app>}:`   KEYS[2] the campaign's key
-- KEYS[3] bitmap over ordinals: its recipients now; absent if they are not known
-- ARGV: 1 id, 2 type, 3 topic, 4 guard window in ms (0 = exempt), 5 policy reject|defer|coalesce|drop,
--       6 startAtMs or '' for now, 7 lifetime in ms from the start, or '', 8 expiresAtMs or '', 9 definition (JSON),
--       10 share of failures that halts it, or '', 11 share of dead URIs that halts it, or '' for the usual one,
--       12 the campaign whose rest this one sends to, or '': it does not wait for the slot of that campaign,
--       13 the digest of a dry run that it uses up, or '', 14 recipients as far as known, 15 the API key or '',
--       16 most recipients of the app on a day, 17 the same of the key, 18 most unfinished campaigns; '' for no limit,
--       19 recipients as far as known, or ''
-- Returns {'created', state, startAtMs, expiresAtMs, the last superseded campaign or '', slot}, or
--      {'refused', admissibleAtMs, campaign that is waited for}, or {'full', …} the same if too many are deferred.
-- or {'unconfirmed', 0, ''} for a digest that is used up, or {'limited', ms when it may be tried again, which limit}.
-- `slot` is what the guard decided for this call: taken, deferred, coalesced or dropped, or '' if it decided nothing.
local base, campaign, reach = KEYS[1], KEYS[2], KEYS[3]
local id, type, topic, interval, policy = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5]
local MAX_DEFERRED = 10
local at = now_ms()
if redis.call('EXISTS', campaign) == 1 then
  local c = fields(campaign, 'state', 'startAt', 'expiresAt')
  return { 'created', c.state, tonumber(c.startAt), tonumber(c.expiresAt), '', '' }
end
local confirm, recipients = ARGV[13], tonumber(ARGV[14])
if confirm ~= '' and redis.call('EXISTS', base .. 'confirm:' .. confirm) == 0 then return { 'unconfirmed', 0, '' } end
local DAY_MS = 86400000
local today = base .. 'day:' .. floor(at / DAY_MS)
local of_key = 'k:' .. ARGV[15]
local function is_over(field, limit)
  return limit ~= '' and (tonumber(redis.call('HGET', today, field)) or 0) + recipients > tonumber(limit)
end
local tomorrow = (floor(at / DAY_MS) + 1) * DAY_MS
if is_over('all', ARGV[16]) then return { 'limited', tomorrow, 'recipientsPerDay' } end
if is_over(of_key, ARGV[17]) then return { 'limited', tomorrow, 'recipientsPerKeyAndDay' } end
if ARGV[18] ~= '' and redis.call('SCARD', base .. 'active') >= tonumber(ARGV[18]) then
  return { 'limited', at + 60000, 'unfinishedCampaigns' }
end
local start = ARGV[6] ~= '' and tonumber(ARGV[6]) or at
local state, reason, superseded, decided = 'scheduled', '', '', ''
if interval > 0 and start <= at then
  local overlaps = topic_slots.overlap_with(base, reach)
  local free, holder = topic_slots.taken(base, type, topic, at, overlaps, ARGV[12])
  local deferred = topic_slots.deferred_before(base, type, topic, overlaps)
  if free <= at and #deferred == 0 then
    topic_slots.take(base, type, topic, id, at, interval)
    decided = 'taken'
  else
    -- The next one waits for the last one that is deferred, or for the one that has the slot.
    local before = deferred[#deferred - 1] or holder
    if policy == 'reject' then
      return { 'refused', topic_slots.start_behind(free, deferred, interval), before }
    end
    if policy == 'drop' then
      state, reason, decided = 'cancelled', 'guard', 'dropped'
    else
      -- At most ten deferred campaigns wait. One more may wait for all that were coalesced: the newest takes its place.
      start = topic_slots.start_behind(free, deferred, interval)
      local others, older = 0, {}
      for w = 1, #deferred, 2 do
        if redis.call('HGET', base .. 'c:' .. deferred[w], 'policy') ~= 'coalesce' then
          others = others + 1
        elseif policy == 'coalesce' then
          older[#older + 1] = deferred[w]
          superseded, start = deferred[w], math.max(free, tonumber(deferred[w + 1]))
        end
      end
      if policy == 'defer' and others >= MAX_DEFERRED then
        return { 'full', tonumber(deferred[#deferred]) + interval, before }
      end
      for _, other in ipairs(older) do
        local key = base .. 'c:' .. other
        redis.call('HSET', key, 'state', 'cancelled', 'reason', 'superseded', 'audienceSize', 0, 'planComplete', 1)
        finish_if_done(base, key, at)
      end
      redis.call('ZADD', topic_slots.waiting_key(base, type, topic), start, id)
      reason, decided = 'guard', superseded == '' and 'deferred' or 'coalesced'
    end
  end
end
local expires = ARGV[8] ~= '' and tonumber(ARGV[8]) or start + tonumber(ARGV[7])
if decided ~= '' and state == 'scheduled' then
  topic_slots.keep_reach(base, id, reach, expires + interval)
end
redis.call('HSET', campaign, 'version', VERSION, 'id', id, 'definition', ARGV[9], 'type', type, 'topic', topic,
  'topicIntervalMs', interval, 'policy', policy, 'state', state, 'createdAt', at, 'startAt', start, 'expiresAt', expires,
  'planned', 0, 'closed', 0, 'cursor', 0)
if reason ~= '' then redis.call('HSET', campaign, 'reason', reason) end
if ARGV[10] ~= '' then redis.call('HSET', campaign, 'maxFailureShare', ARGV[10]) end
if ARGV[11] ~= '' then redis.call('HSET', campaign, 'maxDeadShare', ARGV[11]) end
if ARGV[12] ~= '' then redis.call('HSET', campaign, 'restOf', ARGV[12]) end
if ARGV[19] ~= '' then redis.call('HSET', campaign, 'expectedRecipients', ARGV[19]) end
redis.call('ZADD', base .. 'campaigns', at, id)
if confirm ~= '' then redis.call('UNLINK', base .. 'confirm:' .. confirm) end
if recipients > 0 and state ~= 'cancelled' then
  redis.call('HINCRBY', today, 'all', recipients)
  if ARGV[15] ~= '' then redis.call('HINCRBY', today, of_key, recipients) end
  redis.call('EXPIRE', today, 172800)
end
if state == 'cancelled' then
  redis.call('HSET', campaign, 'audienceSize', 0, 'planComplete', 1, 'finishedAt', at)
  redis.call('SADD', base .. 'finished', id)
  report_finished(base, campaign)
else
  redis.call('SADD', base .. 'active', id)
end
return { 'created', state, start, expires, superseded, decided }
