-- Store the evaluated audience of a campaign: from now on the campaign sends.
-- needs: read codes pages checks
-- KEYS[1] `<prefix>{<app>}:`   KEYS[2] the campaign's key   KEYS[3] draft: bitmap, the audience as it was evaluated
-- ARGV: 1 audience size, 2 unknown channels or '', 3 channels left out because they opted out, 4 because they opted out
--   of the topic, 5 pages of a wave, or '', 6 waves (JSON), 7 channels left out because their local time had passed
-- Returns {state}. Idempotent: a stored audience stays and a later draft is removed. A launch that was taken for dead
-- may end after batches of the second launch were sent, and the ranges of these batches must stay valid.
local base, campaign, draft = KEYS[1], KEYS[2], KEYS[3]
local c = fields(campaign, 'state', 'audienceSize', 'version', 'expiresAt')
local wrong = wrong_campaign(c)
if wrong then return wrong end
if not c.state or c.audienceSize then
  redis.call('DEL', draft)
  return { c.state or 'missing' }
end
if redis.call('EXISTS', draft) == 1 then
  redis.call('RENAME', draft, campaign .. ':targets')
  redis.call('PERSIST', campaign .. ':targets')
end
redis.call('HSET', campaign, 'audienceSize', ARGV[1])
if ARGV[2] ~= '' then redis.call('HSET', campaign, 'unknownChannels', ARGV[2]) end
redis.call('HSET', campaign, 'optedOut', ARGV[3], 'optedOutOfTopic', ARGV[4])
if ARGV[5] ~= '' then
  redis.call('HSET', campaign, 'wavePages', ARGV[5], 'waves', ARGV[6], 'localTimePassed', ARGV[7])
end
if c.state == 'scheduled' then
  redis.call('HSET', campaign, 'state', 'sending', 'startedAt', now_ms())
  redis.call('HDEL', campaign, 'reason')
  return { 'sending' }
end
return { c.state }
