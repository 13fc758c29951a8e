-- Pause, resume, cancel, hold or halt a campaign.
-- needs: read codes pages checks slots stamps closing events halts
-- KEYS[1] `<prefix>{<app>}:`   KEYS[2] the campaign's key
-- ARGV: 1 pause|resume|accept|cancel|hold|halt, 2 reason or ''; of `accept` and `hold` the cause (lib/halts.lua)
-- Returns {'ok', state}, or {'conflict', state} if the state does not allow it. The state of a campaign that is held is
-- `halted`. Repeating an act is no conflict. `accept` resumes a campaign that is held by that cause. A cancelled
-- campaign that was held keeps the cause as its reason.
local base, campaign = KEYS[1], KEYS[2]
local act, reason = ARGV[1], ARGV[2]
local STOPPED = { cancel = 'cancelled', halt = 'halted' }
local c = fields(campaign, 'state', 'expiresAt', 'audienceSize', 'type', 'topic', 'id', 'version', 'plannedRecipients',
  unpack(HALT_FIELDS))
local wrong = wrong_campaign(c)
if wrong then return wrong end
if not c.state then return { 'conflict', 'missing' } end
local at = now_ms()
local state = state_now(campaign, c, at)
local held_by = state == 'paused' and c.heldBy
if act == 'pause' then
  if held_by then return { 'conflict', 'halted' } end
  if state == 'paused' then return { 'ok', state } end
  if state ~= 'sending' then return { 'conflict', state } end
  redis.call('HSET', campaign, 'state', 'paused')
elseif act == 'resume' then
  if held_by then return { 'conflict', 'halted' } end
  if state == 'sending' then return { 'ok', state } end
  if state ~= 'paused' then return { 'conflict', state } end
  redis.call('HSET', campaign, 'state', 'sending')
  redis.call('HDEL', campaign, 'reason')
elseif act == 'accept' then
  if state == 'sending' and is_accepted(c, reason) then return { 'ok', state } end
  if held_by ~= reason then return { 'conflict', held_by and 'halted' or state } end
  redis.call('HSET', campaign, 'state', 'sending', 'accepted', (c.accepted or ' ') .. reason .. ' ')
  redis.call('HDEL', campaign, 'reason', 'heldBy')
  return { 'ok', 'sending' }
elseif act == 'hold' then
  if held_by == reason then return { 'ok', 'halted' } end
  if held_by or (state ~= 'sending' and state ~= 'paused') then return { 'conflict', held_by and 'halted' or state } end
  hold(base, campaign, c, reason)
  return { 'ok', 'halted' }
else
  local stopped = STOPPED[act]
  if state == stopped then return { 'ok', state } end
  if state == 'completed' or stop_code(state) then return { 'conflict', state } end
  redis.call('HSET', campaign, 'state', stopped)
  redis.call('HDEL', campaign, 'heldBy')
  -- The event of the end contains the reason.
  if reason ~= '' then redis.call('HSET', campaign, 'reason', reason) end
  if act == 'halt' then add_campaign_event(base, campaign, 'campaign.halted', { reason = reason, resumable = false }) end
  redis.call('ZREM', topic_slots.waiting_key(base, c.type, c.topic), c.id)
  if not c.audienceSize and not c.plannedRecipients then
    redis.call('HSET', campaign, 'audienceSize', 0, 'planComplete', 1)
  end
  settle_unplanned(campaign, stop_code(stopped))
  finish_if_done(base, campaign, at)
end
if reason ~= '' then redis.call('HSET', campaign, 'reason', reason) end
return { 'ok', redis.call('HGET', campaign, 'state') }
