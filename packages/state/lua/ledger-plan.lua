-- Write the next batches of a campaign, in order.
-- needs: read codes pages checks stamps closing
-- KEYS[1] `<prefix>{<app>}:`   KEYS[2] the campaign's key
-- ARGV: 1 `cursor` or `cursor,planned` that the planner read,
--       2 `cursor,before,turn,wakeAt` afterwards: the next page to plan, how many of its recipients are planned,
--         the turn of the next batch in the queue of the app, and the number of active batches below which the
--         planner is woken,
--       3 '1' if this completes the plan,
--       then `from,to,n,due` of each batch, where due is the Redis time in ms before which it must not be opened, or
--       empty; a batch that divides a page ends with `,before,after` (see range_of)
-- Returns {'ok', first sequence number, live batches, campaign finished 0|1, active batches},
--      or {'moved', cursor, live batches} if another planner was faster,
--      or {'stopped', state} if there is nothing left to plan. Idempotent by the `cursor,planned` of the planner: a
-- step can leave the cursor on a page that it planned in part.
local base, campaign = KEYS[1], KEYS[2]
local c = fields(campaign, 'state', 'cursor', 'planComplete', 'planned', 'version', 'expiresAt', 'closed', 'audienceSize',
  'plannedRecipients')
local wrong = wrong_campaign(c)
if wrong then return wrong end
if not c.state then return { 'stopped', 'missing' } end
if c.planComplete == '1' or (c.state ~= 'sending' and c.state ~= 'paused') then return { 'stopped', c.state } end
wrong = wrong_plan(c)
if wrong then return wrong end
local live = campaign .. ':live'
local read = string.find(ARGV[1], ',', 1, true) and c.cursor .. ',' .. (c.planned or '0') or c.cursor
if read ~= ARGV[1] then return { 'moved', c.cursor, redis.call('SCARD', live) } end
local first = tonumber(c.planned or '0')
local recipients = 0
for a = 4, #ARGV do
  recipients = recipients + tonumber(string.match(ARGV[a], '^%d+,%d+,(%d+),'))
end
-- Checked before the first write: totals of a plan that differs from the frozen audience would never add up to its
-- size.
local total, size = tonumber(c.plannedRecipients or '0') + recipients, tonumber(c.audienceSize or '0')
if total > size or (ARGV[3] == '1' and total < size) then
  return damaged('the campaign has ' .. size .. ' recipients, its frozen audience holds ' .. (total > size and 'more' or total))
end
local at = now_ms()
for a = 4, #ARGV do
  local seq = first + a - 4
  local range, due, others = string.match(ARGV[a], '^(%d+,%d+,%d+),(%d*)([%d,]*)$')
  redis.call('HSET', campaign .. ':b:' .. seq, 'range', range .. others, 'readyAt', due ~= '' and due or at)
  if due ~= '' then
    redis.call('HSET', campaign .. ':b:' .. seq, 'state', 'parked', 'dueAt', due)
    set_parked(campaign, seq, true)
  end
  redis.call('SADD', live, seq)
end
redis.call('HINCRBY', campaign, 'planned', #ARGV - 3)
redis.call('HINCRBY', campaign, 'plannedRecipients', recipients)
local cursor, before, turn, wake_at = string.match(ARGV[2], '^(%d+),(%d+),(%d+),(%d+)$')
redis.call('HSET', campaign, 'cursor', cursor, 'cursorBefore', before, 'turn', turn, 'wakeAt', wake_at)
local finished = false
if ARGV[3] == '1' then
  redis.call('HSET', campaign, 'planComplete', '1')
  finished = finish_if_done(base, campaign, at)
end
return { 'ok', first, redis.call('SCARD', live), finished and 1 or 0, active_batches(campaign) }
