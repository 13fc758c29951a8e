-- Pause, resume or stop a campaign.
-- KEYS[1] `<prefix>{<app>}:`   KEYS[2] the campaign's key   ARGV: 1 pause|resume|cancel|halt, 2 reason or ''
-- Returns {'ok', state}, or {'conflict', state} where the state does not allow it. Stopping what is stopped is no conflict.
local base, campaign = KEYS[1], KEYS[2]
local act, reason = ARGV[1], ARGV[2]
local c = redis.pcall('HMGET', campaign, 'state', 'expires', 'size', 'type', 'topic', 'id', 'v', 'plannedRecipients')
local wrong = wrong_campaign(c, c[7], c[1], c[2])
if wrong then return wrong end
if not c[1] then return { 'conflict', 'missing' } end
local at = now_ms()
local state = state_now(campaign, c[1], c[2], at)
if act == 'pause' then
  if state == 'paused' then return { 'ok', state } end
  if state ~= 'sending' then return { 'conflict', state } end
  redis.call('HSET', campaign, 'state', 'paused')
elseif act == 'resume' then
  if state == 'sending' then return { 'ok', state } end
  if state ~= 'paused' then return { 'conflict', state } end
  redis.call('HSET', campaign, 'state', 'sending')
  redis.call('HDEL', campaign, 'reason')
else
  local stopped = act == 'cancel' and 'cancelled' or 'halted'
  if state == stopped then return { 'ok', state } end
  if state == 'completed' or stop_code(state) then return { 'conflict', state } end
  redis.call('HSET', campaign, 'state', stopped)
  state = stopped
  redis.call('ZREM', base .. 'waiting:' .. c[4] .. ':' .. c[5], c[6])
  if not c[3] and not c[8] then redis.call('HSET', campaign, 'size', 0, 'sealed', 1) end
  seal_unplanned(campaign, stop_code(stopped))
  finish_if_done(base, campaign, at)
end
if reason ~= '' then redis.call('HSET', campaign, 'reason', reason) end
return { 'ok', redis.call('HGET', campaign, 'state') }
