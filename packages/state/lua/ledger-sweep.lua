-- Close the batches of a stopped campaign that nobody holds: they were never opened, or are parked.
-- KEYS[1] `<prefix>{<app>}:`   KEYS[2] the campaign's key   ARGV: 1 how many batches at most
-- Returns {state, batches closed, batches live, finished 0|1, damaged batches passed over}. Does nothing for a campaign that may still send.
local base, campaign = KEYS[1], KEYS[2]
local at = now_ms()
local c = redis.pcall('HMGET', campaign, 'state', 'expires', 'size', 'v', 'plannedRecipients', 'damaged')
local wrong = wrong_campaign(c, c[4], c[1], c[2])
if wrong then return wrong end
if not c[1] then return { 'missing', 0, 0, 0, 0 } end
local state = state_now(campaign, c[1], c[2], at)
local final = stop_code(state)
local live = campaign .. ':live'
if not final then return { state, 0, redis.call('SCARD', live), 0, 0 } end
if not c[3] and not c[6] then
  if (whole(c[5], 0, MAX_COUNT) or 0) > 0 then return wrong_field('the campaign', 'size', c[3]) end
  redis.call('HSET', campaign, 'size', 0)
end
seal_unplanned(campaign, final)
local closed, skipped = 0, 0
for _, seq in ipairs(redis.call('SMEMBERS', live)) do
  if closed >= tonumber(ARGV[1]) then break end
  local key = campaign .. ':b:' .. seq
  local b, stored = redis.pcall('HMGET', key, 'r', 'st', 'z', 'o', 'f', 'bad', 'w'), redis.pcall('GET', key .. ':v')
  local _, _, n = range_of(not b.err and b[1])
  if not b.err and b[3] then
    leave_live(campaign, seq)
  elseif not n or b[6] or (stored and stored.err) or wrong_hold('batch ' .. seq, b[2], b[4], b[5], stored, n, b[7]) then
    skipped = skipped + 1
  elseif b[2] ~= 'open' then
    close_with(base, campaign, key, n, final)
    leave_live(campaign, seq)
    closed = closed + 1
  end
end
local finished = finish_if_done(base, campaign, at)
return { state, closed, redis.call('SCARD', live), finished and 1 or 0, skipped }
