-- Close damaged batches of a campaign as the repair decides. The totals follow with ledger-finish-repair.
-- needs: read codes pages checks stamps closing
-- KEYS[1] `<prefix>{<app>}:`   KEYS[2] the campaign's key
-- ARGV: for each batch: 1 seq, 2 range, 3 code of all its recipients or '', 4 vector or ''
-- Returns {'ok'}, or {'known'} if the campaign needs no repair any more. Idempotent.
local campaign = KEYS[2]
if not redis.call('HGET', campaign, 'damaged') then return { 'known' } end
for a = 1, #ARGV, 4 do
  local seq, range, code, vector = ARGV[a], ARGV[a + 1], ARGV[a + 2], ARGV[a + 3]
  local key = campaign .. ':b:' .. seq
  redis.call('DEL', key)
  redis.call('HSET', key, 'range', range, 'closed', '1')
  if code ~= '' then
    redis.call('HSET', key, 'closedAs', code)
    redis.call('DEL', key .. ':v')
  else
    redis.call('SET', key .. ':v', vector)
  end
  leave_live(campaign, seq)
end
return { 'ok' }
