-- Write down the next batches of a campaign, in order.
-- KEYS[1] `<prefix>{<app>}:`   KEYS[2] the campaign's key
-- ARGV: 1 cursor that the planner read, 2 cursor afterwards, 3 '1' when this ends the plan, then `from,to,n,due` of each batch,
--       where due is the Redis time in ms before which it is not to be opened, or empty
-- Returns {'ok', first sequence number, live, finished 0|1}, or {'moved', cursor, live} when another planner was faster,
--      or {'stopped', state} when there is nothing left to plan. Idempotent by the cursor.
local base, campaign = KEYS[1], KEYS[2]
local c = redis.pcall('HMGET', campaign, 'state', 'cursor', 'sealed', 'planned', 'v', 'expires', 'closed', 'size', 'plannedRecipients')
local wrong = wrong_campaign(c, c[5], c[1], c[6])
if wrong then return wrong end
if not c[1] then return { 'stopped', 'missing' } end
if c[3] == '1' or (c[1] ~= 'sending' and c[1] ~= 'paused') then return { 'stopped', c[1] } end
wrong = wrong_plan(c[2], c[4], c[7], c[8], c[9])
if wrong then return wrong end
local live = campaign .. ':live'
if c[2] ~= ARGV[1] then return { 'moved', c[2], redis.call('SCARD', live) } end
local first = tonumber(c[4] or '0')
local recipients = 0
for a = 4, #ARGV do
  recipients = recipients + tonumber(string.match(ARGV[a], '^%d+,%d+,(%d+),'))
end
-- Told before anything is written: a plan that ends with others than the frozen audience would never sum up.
local total, size = tonumber(c[9] or '0') + recipients, tonumber(c[8] or '0')
if total > size or (ARGV[3] == '1' and total < size) then
  return damaged('the campaign has ' .. size .. ' recipients, its frozen audience holds ' .. (total > size and 'more' or total))
end
for a = 4, #ARGV do
  local seq = first + a - 4
  local range, due = string.match(ARGV[a], '^(%d+,%d+,%d+),(%d*)$')
  redis.call('HSET', campaign .. ':b:' .. seq, 'r', range)
  if due ~= '' then redis.call('HSET', campaign .. ':b:' .. seq, 'st', 'parked', 'd', due) end
  redis.call('SADD', live, seq)
end
redis.call('HINCRBY', campaign, 'planned', #ARGV - 3)
redis.call('HINCRBY', campaign, 'plannedRecipients', recipients)
redis.call('HSET', campaign, 'cursor', ARGV[2])
local finished = false
if ARGV[3] == '1' then
  redis.call('HSET', campaign, 'sealed', '1')
  finished = finish_if_done(base, campaign, now_ms())
end
return { 'ok', first, redis.call('SCARD', live), finished and 1 or 0 }
