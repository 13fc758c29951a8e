-- Pause, resume, cancel or halt a campaign.
-- needs: read codes pages checks stamps closing
-- KEYS[1] `<prefix>{<app>}:`   KEYS[2] the campaign's key   ARGV: 1 pause|resume|cancel|halt, 2 reason or ''
-- Returns {'ok', state}, or {'conflict', state} if the state does not allow it. Repeating a cancel or halt is no
-- conflict.
local base, campaign = KEYS[1], KEYS[2]
local act, reason = ARGV[1], ARGV[2]
local STOPPED = { cancel = 'cancelled', halt = 'halted' }
local c = fields(campaign, 'state', 'expiresAt', 'audienceSize', 'type', 'topic', 'id', 'version', 'plannedRecipients')
local wrong = wrong_campaign(c)
if wrong then return wrong end
if not c.state then return { 'conflict', 'missing' } end
local at = now_ms()
local state = state_now(campaign, c, at)
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
  local stopped = STOPPED[act]
  if state == stopped then return { 'ok', state } end
  if state == 'completed' or stop_code(state) then return { 'conflict', state } end
  redis.call('HSET', campaign, 'state', stopped)
  redis.call('ZREM', base .. 'waiting:' .. c.type .. ':' .. c.topic, c.id)
  if not c.audienceSize and not c.plannedRecipients then
    redis.call('HSET', campaign, 'audienceSize', 0, 'planComplete', 1)
  end
  settle_unplanned(campaign, stop_code(stopped))
  finish_if_done(base, campaign, at)
end
if reason ~= '' then redis.call('HSET', campaign, 'reason', reason) end
return { 'ok', redis.call('HGET', campaign, 'state') }
