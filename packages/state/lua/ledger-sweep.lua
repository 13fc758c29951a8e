-- Close the batches of a stopped campaign that have no owner: those never opened, and those parked.
-- needs: read codes pages checks stamps closing
-- KEYS[1] `<prefix>{<app>}:`   KEYS[2] the campaign's key   ARGV: 1 maximum number of batches to close
-- Returns {state, closed batches, live batches, campaign finished 0|1, damaged batches passed over}. Does nothing for a
-- campaign that may still send.
local base, campaign = KEYS[1], KEYS[2]
local at = now_ms()
local c = fields(campaign, 'state', 'expiresAt', 'audienceSize', 'version', 'plannedRecipients', 'damaged')
local wrong = wrong_campaign(c)
if wrong then return wrong end
if not c.state then return { 'missing', 0, 0, 0, 0 } end
local state = state_now(campaign, c, at)
local final = stop_code(state)
local live = campaign .. ':live'
if not final then return { state, 0, redis.call('SCARD', live), 0, 0 } end
if not c.audienceSize and not c.damaged then
  if (whole(c.plannedRecipients, 0, MAX_COUNT) or 0) > 0 then return wrong_field('the campaign', 'audienceSize', nil) end
  redis.call('HSET', campaign, 'audienceSize', 0)
end
settle_unplanned(campaign, final)
local closed, skipped = 0, 0
for _, seq in ipairs(redis.call('SMEMBERS', live)) do
  if closed >= tonumber(ARGV[1]) then break end
  local key = campaign .. ':b:' .. seq
  local b, vector = fields(key, 'range', 'state', 'closed', 'owner', 'fence', 'damaged', 'recoveredOwners'),
    redis.pcall('GET', key .. ':v')
  local _, _, n = range_of(b.range)
  if b.closed then
    leave_live(campaign, seq)
  elseif not n or b.damaged or (vector and vector.err) or wrong_hold('batch ' .. seq, b, vector, n) then
    skipped = skipped + 1
  elseif b.state ~= 'open' then
    note_uncounted(campaign, CLASS[final], close_with(base, campaign, key, seq, n, final))
    closed = closed + 1
  end
end
local finished = finish_if_done(base, campaign, at)
return { state, closed, redis.call('SCARD', live), finished and 1 or 0, skipped }
