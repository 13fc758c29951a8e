-- Report, once, that the canary of a campaign waits for approval.
-- needs: read events
-- KEYS[1] `<prefix>{<app>}:`   KEYS[2] the campaign's key
-- Returns 1 if this call reported it, else 0.
local c = fields(KEYS[2], 'state', 'canary')
if c.err or c.state ~= 'sending' or c.canary then return 0 end
redis.call('HSET', KEYS[2], 'canary', 'waiting')
add_campaign_event(KEYS[1], KEYS[2], 'campaign.waiting-for-approval', {})
return 1
