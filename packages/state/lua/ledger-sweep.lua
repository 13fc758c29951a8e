-- Close the batches of a stopped campaign that nobody holds: they were never opened, or are parked.
-- KEYS[1] `<prefix>{<app>}:`   KEYS[2] the campaign's key   ARGV: 1 how many batches at most
-- Returns {state, batches closed, batches live, finished 0|1}. Does nothing for a campaign that may still send.
local base, campaign = KEYS[1], KEYS[2]
local at = now_ms()
local c = redis.call('HMGET', campaign, 'state', 'expires', 'size')
if not c[1] then return { 'missing', 0, 0, 0 } end
local state = state_now(campaign, c[1], c[2], at)
local final = stop_code(state)
local live = campaign .. ':live'
if not final then return { state, 0, redis.call('SCARD', live), 0 } end
if not c[3] then redis.call('HSET', campaign, 'size', 0) end
seal_unplanned(campaign, final)
local closed = 0
for _, seq in ipairs(redis.call('SMEMBERS', live)) do
  if closed >= tonumber(ARGV[1]) then break end
  local key = campaign .. ':b:' .. seq
  local b = redis.call('HMGET', key, 'r', 'st', 'z')
  if b[3] then
    leave_live(campaign, seq)
  elseif b[1] and b[2] ~= 'open' then
    close_with(base, campaign, key, tonumber(string.match(b[1], '(%d+)$')), final)
    leave_live(campaign, seq)
    closed = closed + 1
  end
end
local finished = finish_if_done(base, campaign, at)
return { state, closed, redis.call('SCARD', live), finished and 1 or 0 }
