-- Decide whether a scheduled campaign may start now, and take a slot of its topic if it does not have one yet.
-- needs: read codes pages checks slots stamps closing
-- KEYS[1] `<prefix>{<app>}:`   KEYS[2] the campaign's key
-- KEYS[3] bitmap over ordinals: its recipients now; absent if they are not known
-- Returns {'go'}, {'frozen'} if its audience is stored already, {'wait', startAtMs}, or {'stopped', state}.
local base, campaign, reach = KEYS[1], KEYS[2], KEYS[3]
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
  local free = tonumber(redis.call('ZSCORE', topic_slots.key(base, c.type, c.topic), id) or '0')
  if free <= at then
    local overlaps = topic_slots.overlap_with(base, reach)
    local admissible, holder = topic_slots.taken(base, c.type, c.topic, at, overlaps, c.restOf)
    if holder ~= '' then
      if c.policy == 'defer' or c.policy == 'coalesce' then
        redis.call('ZADD', topic_slots.waiting_key(base, c.type, c.topic), admissible, id)
        redis.call('HSET', campaign, 'startAt', admissible, 'reason', 'guard')
        topic_slots.keep_reach(base, id, reach, tonumber(c.expiresAt) + interval)
        return { 'wait', admissible }
      end
      redis.call('HSET', campaign, 'state', 'cancelled', 'reason', 'guard')
      return { 'stopped', 'cancelled' }
    end
    topic_slots.take(base, c.type, c.topic, id, at, interval)
  end
  redis.call('ZREM', topic_slots.waiting_key(base, c.type, c.topic), id)
  topic_slots.keep_reach(base, id, reach, tonumber(c.expiresAt) + interval)
end
return { 'go' }
