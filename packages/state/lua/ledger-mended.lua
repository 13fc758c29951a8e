-- Every batch of a damaged campaign is closed: set what was counted, in one step, and finish it.
-- KEYS[1] `<prefix>{<app>}:`   KEYS[2] the campaign's key
-- ARGV: 1 size of the audience, 2 batches, 3 recipients in them, 4 posts, then class and count of everybody
-- Returns {'finished', 0|1}, {'known'} when it was mended already, or {'live', batch} when one is not closed yet.
local base, campaign = KEYS[1], KEYS[2]
local c = redis.call('HMGET', campaign, 'damaged', 'finished')
if not c[1] or c[2] then return { 'known' } end
for _, seq in ipairs(redis.call('SMEMBERS', campaign .. ':live')) do
  if whole(seq, 0, tonumber(ARGV[2]) - 1) and not redis.call('HGET', campaign .. ':b:' .. seq, 'z') then return { 'live', seq } end
end
redis.call('DEL', campaign .. ':live')
redis.call('HDEL', campaign, 'damaged', total_fields())
redis.call('HSET', campaign, 'size', ARGV[1], 'planned', ARGV[2], 'closed', ARGV[2], 'plannedRecipients', ARGV[3], 'posts', ARGV[4])
for a = 5, #ARGV, 2 do redis.call('HSET', campaign, 'n:' .. ARGV[a], ARGV[a + 1]) end
return { 'finished', finish_if_done(base, campaign, now_ms()) and 1 or 0 }
