-- Decide whether a scheduled campaign may start now, and take its topic's slot if it does not have it yet.
-- needs: read codes pages checks stamps closing
-- KEYS[1] `<prefix>{<app>}:`   KEYS[2] the campaign's key
-- Returns {'go'}, {'frozen'} if its audience is stored already, {'wait', startAtMs}, or {'stopped', state}.
local base, campaign = KEYS[1], KEYS[2]
local function wrong_launch(c)
  if not whole(c.startAt, 0, MAX_MS) then return wrong_field('the campaign', 'startAt', c.startAt) end
  if not whole(c.topicIntervalMs, 0, MAX_MS) then
    return wrong_field('the campaign', 'topicIntervalMs', c.topicIntervalMs)
  end
  if not c.type or not c.topic or not c.id then return damaged('the campaign lacks its type, topic or id') end
end
local c = fields(campaign, 'state', 'expiresAt', 'startAt', 'topicIntervalMs', 'type', 'topic', 'policy', 'id',
  'audienceSize', 'version', 'restOf')
local wrong = wrong_campaign(c) or (c.state and wrong_launch(c))
if wrong then return wrong end
if not c.state then return { 'stopped', 'missing' } end
local at = now_ms()
local state = state_now(campaign, c, at)
if c.audienceSize and (state == 'sending' or state == 'paused') then return { 'frozen' } end
if state ~= 'scheduled' then return { 'stopped', state } end
if tonumber(c.startAt) > at then return { 'wait', tonumber(c.startAt) } end
local interval, id = tonumber(c.topicIntervalMs), c.id
if interval > 0 then
  local slot, waiting = base .. 'topic:' .. c.type .. ':' .. c.topic, base .. 'waiting:' .. c.type .. ':' .. c.topic
  local holder = redis.call('GET', slot)
  if holder and c.restOf and sub(holder, 1, #c.restOf + 1) == c.restOf .. '|' then holder = nil end
  if holder and sub(holder, 1, #id + 1) ~= id .. '|' then
    local admissible = math.max(redis.call('PEXPIRETIME', slot), at + 1)
    if c.policy == 'defer' or c.policy == 'coalesce' then
      redis.call('ZADD', waiting, admissible, id)
      redis.call('HSET', campaign, 'startAt', admissible, 'reason', 'guard')
      return { 'wait', admissible }
    end
    redis.call('HSET', campaign, 'state', 'cancelled', 'reason', 'guard')
    return { 'stopped', 'cancelled' }
  end
  redis.call('ZREM', waiting, id)
  if not holder then redis.call('SET', slot, id .. '|' .. at, 'PX', interval) end
end
return { 'go' }
