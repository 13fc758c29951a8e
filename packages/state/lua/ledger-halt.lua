-- Halt a campaign whose ledger is damaged, and make what is left of its hash fit to be worked with until it is mended.
-- KEYS[1] `<prefix>{<app>}:`   KEYS[2] the campaign's key   ARGV: 1 id, 2 what was found, 3 seq of the batch that it was found in, or ''
-- That batch is marked: the sweep passes over it and the mender closes it as it is.
-- Returns {'halted', state}, {'known', state} when it is halted for damage already, {'finished', state} for one that is
-- over, or {'missing', ''} where there is no such campaign; an error VERSION for one of another version.
-- Whoever stopped the campaign before keeps the last word: it stays cancelled or expired, and is mended all the same.
local base, campaign = KEYS[1], KEYS[2]
local id, what = ARGV[1], ARGV[2]
local c = redis.pcall('HMGET', campaign, 'v', 'state', 'damaged', 'finished', 'created', 'start', 'expires', 'reason')
if c.err then
  redis.call('DEL', campaign)
  c = {}
elseif whole(c[1], 2, MAX_COUNT) then
  return redis.error_reply('VERSION the schema version of the campaign is ' .. c[1] .. ', this process writes ' .. SCHEMA)
end
if redis.call('EXISTS', campaign) == 0 and redis.call('SISMEMBER', base .. 'active', id) == 0 then return { 'missing', '' } end
local batch = campaign .. ':b:' .. ARGV[3]
if ARGV[3] ~= '' and redis.call('TYPE', batch).ok == 'hash' then redis.call('HSET', batch, 'bad', '1') end
local at, state = now_ms(), c[2]
if c[3] then return { 'known', state } end
if whole(c[4], 1, MAX_MS) then return { 'finished', state or '' } end

local code = stop_code(state)
if not code then
  state, code = 'halted', CANCELLED
  redis.call('HSET', campaign, 'reason', 'ledger-damaged')
end
-- What is no number goes; totals are counted again from the vectors, and the rest is for people only.
local numbers = { 'finished', 'started', 'unknown', 'size', 'planned', 'closed', 'cursor', 'plannedRecipients', 'posts', 'answers',
  'takeovers', 'interval', 'windowAt', 'windowCount', total_fields() }
for f, value in ipairs(redis.call('HMGET', campaign, unpack(numbers))) do
  if value and not whole(value, 0, MAX_MS) then redis.call('HDEL', campaign, numbers[f]) end
end
for _, field in ipairs({ 'rate', 'recent', 'recentRefused', 'maxFailureShare' }) do
  local value = redis.call('HGET', campaign, field)
  if value and not tonumber(value) then redis.call('HDEL', campaign, field) end
end
for _, field in ipairs({ 'type', 'topic', 'policy' }) do redis.call('HSETNX', campaign, field, '') end
local created = whole(c[5], 1, MAX_MS) or at
redis.call('HSETNX', campaign, 'planned', 0)
redis.call('HSETNX', campaign, 'closed', 0)
redis.call('HSET', campaign, 'v', SCHEMA, 'id', id, 'state', state, 'damaged', what, 'sealed', '1', 'stopCode', code, 'created', created,
  'start', whole(c[6], 1, MAX_MS) or created, 'expires', whole(c[7], 1, MAX_MS) or at)
local types = { live = 'set', targets = 'string', samples = 'stream' }
for name, type in pairs(types) do
  local found = redis.call('TYPE', campaign .. ':' .. name).ok
  if found ~= type and found ~= 'none' then redis.call('DEL', campaign .. ':' .. name) end
end
local f = redis.call('HMGET', campaign, 'type', 'topic')
redis.call('ZREM', base .. 'waiting:' .. f[1] .. ':' .. f[2], id)
redis.call('ZADD', base .. 'campaigns', 'NX', created, id)
redis.call('SADD', base .. 'active', id)
return { 'halted', state }
