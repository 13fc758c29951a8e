-- Set the recounted totals of a damaged campaign whose batches are all closed, and finish it, in one step.
-- needs: read codes pages checks stamps closing
-- KEYS[1] `<prefix>{<app>}:`   KEYS[2] the campaign's key
-- ARGV: 1 audience size, 2 batches, 3 recipients in them, 4 posts, then class and count for each class
-- Returns {'finished', 0|1}, {'known'} if it was repaired already, or {'live', seq} if a batch is not closed yet.
local base, campaign = KEYS[1], KEYS[2]
local c = fields(campaign, 'damaged', 'finishedAt')
if not c.damaged or c.finishedAt then return { 'known' } end
for _, seq in ipairs(redis.call('SMEMBERS', campaign .. ':live')) do
  if whole(seq, 0, tonumber(ARGV[2]) - 1) and not redis.call('HGET', campaign .. ':b:' .. seq, 'closed') then
    return { 'live', seq }
  end
end
redis.call('DEL', campaign .. ':live', campaign .. ':parked')
local before = {}
for at, n in ipairs(redis.call('HMGET', campaign, total_fields())) do
  before[select(at, total_fields())] = whole(n, 0, MAX_COUNT) or 0
end
redis.call('HDEL', campaign, 'damaged', total_fields())
redis.call('HSET', campaign, 'audienceSize', ARGV[1], 'planned', ARGV[2], 'closed', ARGV[2], 'plannedRecipients', ARGV[3],
  'posts', ARGV[4])
for a = 5, #ARGV, 2 do
  local class, count = ARGV[a], ARGV[a + 1]
  redis.call('HSET', campaign, 'total:' .. class, count)
  note_uncounted(campaign, class, tonumber(count) - (before['total:' .. class] or 0))
end
return { 'finished', finish_if_done(base, campaign, now_ms()) and 1 or 0 }
