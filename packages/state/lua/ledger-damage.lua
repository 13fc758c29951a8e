-- Stop a campaign whose ledger is damaged, and restore the fields that sweep and repair need.
-- needs: read codes pages checks slots stamps closing events
-- KEYS[1] `<prefix>{<app>}:`   KEYS[2] the campaign's key
-- ARGV: 1 id, 2 what was found, 3 seq of the batch in which it was found, or ''
-- The batch is marked: the sweep passes over it, and the repair closes it with what is left of it.
-- Returns {'halted', state}, {'known', state} if the campaign is marked damaged already, {'finished', state} if it is
-- finished, or {'missing', ''} if there is no such campaign; an error VERSION for a campaign of another version.
-- A campaign that is cancelled or expired keeps that state; it is repaired all the same.
local base, campaign = KEYS[1], KEYS[2]
local id, found = ARGV[1], ARGV[2]
local c = fields(campaign, 'version', 'state', 'damaged', 'finishedAt', 'createdAt', 'startAt', 'expiresAt', 'reason')
if c.err then
  redis.call('DEL', campaign)
  c = {}
elseif whole(c.version, 2, MAX_COUNT) then
  return other_version(c.version)
end
if redis.call('EXISTS', campaign) == 0 and redis.call('SISMEMBER', base .. 'active', id) == 0 then return { 'missing', '' } end
local batch = campaign .. ':b:' .. ARGV[3]
if ARGV[3] ~= '' and redis.call('TYPE', batch).ok == 'hash' then redis.call('HSET', batch, 'damaged', '1') end
local at, state = now_ms(), c.state
if c.damaged then return { 'known', state } end
if whole(c.finishedAt, 1, MAX_MS) then return { 'finished', state or '' } end

local code = stop_code(state)
if not code then
  state, code = 'halted', CANCELLED
  halt(campaign, 'ledger-damaged')
  add_campaign_event(base, campaign, 'campaign.halted', { reason = 'ledger-damaged', resumable = false })
end
-- Remove fields that should be numbers and are not. The repair counts the totals again; the others are informational.
local numbers = { 'finishedAt', 'startedAt', 'unknownChannels', 'audienceSize', 'planned', 'closed', 'cursor',
  'plannedRecipients', 'posts', 'answers', 'takeovers', 'topicIntervalMs', 'rateSince', 'rateCount', total_fields() }
for f, value in ipairs(redis.call('HMGET', campaign, unpack(numbers))) do
  if value and not whole(value, 0, MAX_MS) then redis.call('HDEL', campaign, numbers[f]) end
end
for _, field in ipairs({ 'ratePerSecond', 'recentAnswers', 'recentRejected', 'maxFailureShare', 'maxDeadShare' }) do
  local value = redis.call('HGET', campaign, field)
  if value and not tonumber(value) then redis.call('HDEL', campaign, field) end
end
for _, field in ipairs({ 'type', 'topic', 'policy' }) do redis.call('HSETNX', campaign, field, '') end
local created = whole(c.createdAt, 1, MAX_MS) or at
redis.call('HSETNX', campaign, 'planned', 0)
redis.call('HSETNX', campaign, 'closed', 0)
redis.call('HSET', campaign, 'version', VERSION, 'id', id, 'state', state, 'damaged', found, 'planComplete', '1',
  'stopCode', code, 'createdAt', created, 'startAt', whole(c.startAt, 1, MAX_MS) or created,
  'expiresAt', whole(c.expiresAt, 1, MAX_MS) or at)
local types = { live = 'set', parked = 'set', targets = 'string', samples = 'stream' }
for name, type in pairs(types) do
  local stored = redis.call('TYPE', campaign .. ':' .. name).ok
  if stored ~= type and stored ~= 'none' then redis.call('DEL', campaign .. ':' .. name) end
end
local f = fields(campaign, 'type', 'topic')
redis.call('ZREM', topic_slots.waiting_key(base, f.type, f.topic), id)
redis.call('ZADD', base .. 'campaigns', 'NX', created, id)
redis.call('SADD', base .. 'active', id)
return { 'halted', state }
