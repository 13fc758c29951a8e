-- May a scheduled campaign start now? Takes its topic's slot if it does not hold it yet.
-- KEYS[1] `<prefix>{<app>}:`   KEYS[2] the campaign's key
-- Returns {'go'}, {'frozen'} when its audience is frozen already, {'wait', startAtMs}, or {'stopped', state}.
local base, campaign = KEYS[1], KEYS[2]
local function wrong_launch(start, interval, type, topic, id)
  if not whole(start, 0, MAX_MS) then return wrong_field('the campaign', 'start', start) end
  if not whole(interval, 0, MAX_MS) then return wrong_field('the campaign', 'interval', interval) end
  if not type or not topic or not id then return damaged('the campaign lacks its type, topic or id') end
end
local c = redis.pcall('HMGET', campaign, 'state', 'expires', 'start', 'interval', 'type', 'topic', 'policy', 'id', 'size', 'v')
local wrong = wrong_campaign(c, c[10], c[1], c[2]) or (c[1] and wrong_launch(c[3], c[4], c[5], c[6], c[8]))
if wrong then return wrong end
if not c[1] then return { 'stopped', 'missing' } end
local at = now_ms()
local state = state_now(campaign, c[1], c[2], at)
if c[9] and (state == 'sending' or state == 'paused') then return { 'frozen' } end
if state ~= 'scheduled' then return { 'stopped', state } end
if tonumber(c[3]) > at then return { 'wait', tonumber(c[3]) } end
local interval, id = tonumber(c[4]), c[8]
if interval > 0 then
  local slot, waiting = base .. 'topic:' .. c[5] .. ':' .. c[6], base .. 'waiting:' .. c[5] .. ':' .. c[6]
  local holder = redis.call('GET', slot)
  if holder and sub(holder, 1, #id + 1) ~= id .. '|' then
    local admissible = at + math.max(redis.call('PTTL', slot), 1)
    if c[7] == 'defer' or c[7] == 'coalesce' then
      redis.call('ZADD', waiting, admissible, id)
      redis.call('HSET', campaign, 'start', admissible, 'reason', 'guard')
      return { 'wait', admissible }
    end
    redis.call('HSET', campaign, 'state', 'cancelled', 'reason', 'guard')
    return { 'stopped', 'cancelled' }
  end
  redis.call('ZREM', waiting, id)
  if not holder then redis.call('SET', slot, id .. '|' .. at, 'PX', interval) end
end
return { 'go' }
