-- Close batches of a campaign that was halted for damage, as the mender found them; totals follow with ledger-mended.
-- KEYS[1] `<prefix>{<app>}:`   KEYS[2] the campaign's key
-- ARGV: for each batch: 1 seq, 2 range, 3 code of all its recipients or '', 4 vector or ''
-- Returns {'ok'}, or {'known'} when the campaign is not waiting to be mended any more. Writes the same when it is repeated.
local campaign = KEYS[2]
if not redis.call('HGET', campaign, 'damaged') then return { 'known' } end
for a = 1, #ARGV, 4 do
  local seq, range, all, vector = ARGV[a], ARGV[a + 1], ARGV[a + 2], ARGV[a + 3]
  local key = campaign .. ':b:' .. seq
  redis.call('DEL', key)
  redis.call('HSET', key, 'r', range, 'z', '1')
  if all ~= '' then
    redis.call('HSET', key, 'all', all)
    redis.call('DEL', key .. ':v')
  else
    redis.call('SET', key .. ':v', vector)
  end
  leave_live(campaign, seq)
end
return { 'ok' }
