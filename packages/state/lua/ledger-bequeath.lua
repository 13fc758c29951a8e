-- Take over what a fenced owner knows, where Redis has gone back in time and forgotten that it opened the batch.
-- KEYS[1] `<prefix>{<app>}:`   KEYS[2] the campaign's key
-- ARGV: 1 seq, 2 nonce of the owner that was fenced, 3 its fence, 4 delivery, 5 type, 6 guard window in seconds (0 = no guard),
--       7 its vector, with credit only where a post has no answer yet
-- Returns an error DAMAGED or VERSION, and has written nothing, where the ledger is not what a script could have left,
--   {'missing'} while Redis has forgotten the batch itself, {'closed'} when nothing can be added any more,
--   {'refused'} where nothing shows that Redis went back, else {'ok', counts: {class, n, …} of what this call settled}.
-- Refused unless the stored fence is another owner's and not above the caller's: a fence only grows, and each number of it is
-- given once, so this happens after a rollback alone. Seen once, the proof holds for this owner: others may open the batch
-- while it waits for the posts under way.
-- Somebody credited in today's vector is left alone, since today's owner may be posting already. Of the others that are pending,
-- who has an outcome takes it, and at-most-once who may have been reached is in doubt. A dead channel keeps its
-- address: whoever posts to it next removes it. One whose URI had changed twice stays pending for the same reason.
-- May be called again, the same or with more known: what is settled stays, so a call that was carried out changes nothing.
local base, campaign = KEYS[1], KEYS[2]
local seq, owner, fence, delivery, type = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]
local guard, told_text = tonumber(ARGV[6]), ARGV[7]
local key = campaign .. ':b:' .. seq

local b = redis.pcall('HMGET', key, 'r', 'o', 'f', 'z', 's', 'w')
local c = redis.pcall('HMGET', campaign, 'state', 'id', 'topic', 'interval', 'v', 'expires')
local where = 'batch ' .. seq
local wrong = wrong_campaign(c, c[5], c[1], c[6]) or (b.err and wrong_type(where)) or wrong_numbers(where, { 'fence', b[3], 'stamp', b[5] })
if wrong then return wrong end
if not c[1] or not b[1] then return { 'missing' } end
if b[4] then return { 'closed' } end
local testators = b[6] or ''
local is_proved = string.find(testators, owner, 1, true) ~= nil
if b[2] == owner or (tonumber(b[3] or '0') > fence and not is_proved) then return { 'refused' } end
local from, to, n = range_of(b[1])
if not from then return wrong_field(where, 'range', b[1]) end
local old_text = redis.call('GET', key .. ':v') or string.rep('\0', n)
if #old_text ~= n or #told_text ~= n then return { 'refused' } end

local vector, told = unpack_bytes(old_text, n), unpack_bytes(told_text, n)
local counts, inherited, answered, posts = {}, {}, 0, 0
for i = 1, n do
  local was, is = vector[i], told[i]
  local code = code_of(is)
  if is_pending(was) and code_of(was) ~= CREDITED then
    local class, written = CLASS[code], posts_of(is)
    if code == CREDITED and delivery == 'at-most-once' then
      code, class, written = IN_DOUBT, 'in_doubt', written + 1
    end
    if class and class ~= 'pending' and code ~= FAILED_ROTATED then
      vector[i] = byte_of(code, math.max(posts_of(was), written))
      inherited[i] = code
      counts[class] = (counts[class] or 0) + 1
      answered = answered + 1
      posts = posts + posts_of(vector[i]) - posts_of(was)
    end
  end
end

if not is_proved then redis.call('HSET', key, 'w', testators .. owner .. ' ') end
if answered == 0 then return { 'ok', {} } end
redis.call('SET', key .. ':v', pack_bytes(vector))
add_totals(campaign, counts)
redis.call('HINCRBY', campaign, 'answers', answered)
if posts > 0 then redis.call('HINCRBY', campaign, 'posts', posts) end
if guard > 0 then
  local stamps, ours, i = stamps_of(base, type), tonumber(b[5] or '-1'), 0
  local stamp_now = pack4(floor(now_ms() / 1000))
  for page = from, to do
    for _, slot in ipairs(slots_of(campaign, page)) do
      i = i + 1
      if inherited[i] then stamp_settled(stamps, page * PAGE + slot, inherited[i], ours, stamp_now) end
    end
  end
  stamps:save()
end
renew_slot(base, type, c[2], c[3], c[4], counts)
local list = {}
for class, count in pairs(counts) do list[#list + 1] = class; list[#list + 1] = count end
return { 'ok', list }
