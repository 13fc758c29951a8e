-- needs: read codes events
-- What stops a campaign by itself: each cause by the name that the API shows as the reason of the halt.
--
-- Such a campaign is held: it is stored as paused, with `heldBy`. Its recipients stay pending. It can be cancelled, or
-- resumed once its owner accepts the cause (`accepted`: names with a space before and after each). An accepted cause
-- does not hold the campaign again.

-- WNS rejects the notification itself.
local BREAKER = 'breaker'
local FAILURE_SHARE = 'failure-share'
local MASS_REMOVAL = 'mass-removal'
-- The campaign fields by which the causes are judged.
local HALT_FIELDS = { 'heldBy', 'accepted', 'maxFailureShare', 'maxDeadShare' }
local MIN_REMOVAL_ANSWERS, MIN_ANSWERS, USUAL_DEAD_SHARE = 500, 50, 0.2

local function is_accepted(c, cause)
  return c.accepted and string.find(c.accepted, ' ' .. cause .. ' ', 1, true) ~= nil
end

-- The first cause stays. A campaign in a final state is not held.
local function hold(base, campaign, c, cause)
  if c.heldBy then return end
  c.heldBy = cause
  redis.call('HSET', campaign, 'state', 'paused', 'heldBy', cause, 'reason', cause)
  add_campaign_event(base, campaign, 'campaign.halted', { reason = cause, resumable = true })
end

-- Would another removed channel be one too many? A share this large points to an error of the sender. It counts for
-- late answers too, whatever has stopped the campaign before.
local function removes_too_many(c, dead, answers)
  if is_accepted(c, MASS_REMOVAL) then return false end
  if c.heldBy == MASS_REMOVAL then return true end
  return answers >= MIN_REMOVAL_ANSWERS and dead > answers * (tonumber(c.maxDeadShare) or USUAL_DEAD_SHARE)
end

-- The cause to hold a campaign for after new answers, or nil: WNS rejects it as malformed, or it fails more than its
-- owner allows. `refusals` of the `answered` recipients were rejected as malformed.
local function cause_of(campaign, c, answered, refusals)
  local t = fields(campaign, 'answers', 'recentAnswers', 'recentRejected', 'total:rejected', 'total:failed', 'total:dead',
    'total:in_doubt')
  local answers, limit = tonumber(t.answers), tonumber(c.maxFailureShare)
  local recent, rejected = (tonumber(t.recentAnswers) or 0) + answered, (tonumber(t.recentRejected) or 0) + refusals
  local failures = (tonumber(t['total:rejected']) or 0) + (tonumber(t['total:failed']) or 0) +
    (tonumber(t['total:dead']) or 0) + (tonumber(t['total:in_doubt']) or 0)
  -- About the last 200 answers count; older ones fade.
  local fade = recent > 200 and 200 / recent or 1
  redis.call('HSET', campaign, 'recentAnswers', recent * fade, 'recentRejected', rejected * fade)
  if rejected > 0 and recent >= MIN_ANSWERS and rejected >= recent / 2 and not is_accepted(c, BREAKER) then
    return BREAKER
  end
  if limit and answers >= MIN_ANSWERS and failures > answers * limit and not is_accepted(c, FAILURE_SHARE) then
    return FAILURE_SHARE
  end
  return nil
end

-- A recipient whose channel a 404 or 410 should have removed, and was not, stays pending, so that it is posted to again
-- if the campaign is resumed. Its answer is kept for the results: 3 bytes of position and code.
local function note_not_removed(batch, entries)
  if #entries == 0 then return end
  redis.call('HSET', batch, 'notRemoved', (redis.call('HGET', batch, 'notRemoved') or '') .. table.concat(entries))
end
local function not_removed_entry(position, code) return struct.pack('>I2B', position, code) end
