-- Merge the outcomes that an owner still has after it lost its batch: Redis went back in time and lost the open of that
-- owner, or the run of the owner ended by an error before its checkpoint was stored.
-- needs: read codes pages checks slots stamps closing
-- KEYS[1] `<prefix>{<app>}:`   KEYS[2] the campaign's key
-- ARGV: 1 seq, 2 nonce of the fenced owner, 3 its fence, 4 delivery, 5 type, 6 guard window in seconds (0 = no guard),
--       7 its vector, with credit only for posts that have no answer yet,
--       8 '1' if the caller vouches: it has seen another primary since its open, or its run has ended
-- Returns an error DAMAGED or VERSION before any write if the ledger is not what a script could have left,
--   {'missing'} while the batch is not planned again, {'closed'} if nothing can be added any more,
--   {'refused'} if nothing proves a rollback, else {'ok', settled: {class, n, …} by this call}.
-- The proof is a stored fence of another owner that is not above the caller's: a fence only rises and each value is
-- given once, so only a rollback leaves such a fence. The script stores the proof for this owner, because others may
-- open the batch while the caller waits for the posts under way. After takeovers on another primary the fence is higher
-- than the caller's, and only the caller can know that this primary did not have its checkpoints: it vouches for that.
-- An owner that vouches while the batch is still its own has ended and posts no more. So its vector also replaces
-- credit, except that of its posts without an answer, which the next owner finds.
-- Recipients with credit stay as they are, since the current owner may be posting to them. Every other pending
-- recipient takes the outcome that the caller has. At-most-once, a recipient with a post but without an answer becomes
-- in doubt.
-- A dead channel keeps its URI: the next post to it removes it. For the same reason a recipient whose URI had changed
-- twice stays pending.
-- May be called again with the same or more outcomes: settled recipients stay, so a repeated call changes nothing.
local base, campaign = KEYS[1], KEYS[2]
local seq, owner, fence, delivery, type = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]
local guard, known_text, is_vouched = tonumber(ARGV[6]), ARGV[7], ARGV[8] == '1'
local key = campaign .. ':b:' .. seq

local b = fields(key, 'range', 'owner', 'fence', 'closed', 'stampedAt', 'recoveredOwners')
local c = fields(campaign, 'state', 'id', 'topic', 'topicIntervalMs', 'version', 'expiresAt')
local where = 'batch ' .. seq
local wrong = wrong_campaign(c) or (b.err and wrong_type(where)) or wrong_numbers(where, b, 'fence', 'stampedAt')
if wrong then return wrong end
if not c.state or not b.range then return { 'missing' } end
if b.closed then return { 'closed' } end
local recovered = b.recoveredOwners or ''
local is_known, is_owner = string.find(recovered, owner, 1, true) ~= nil, b.owner == owner
local is_proved = is_vouched or (not is_owner and (is_known or tonumber(b.fence or '0') <= fence))
if not is_proved then return { 'refused' } end
local from, to, n, others_before, others_after = range_of(b.range)
if not from then return wrong_field(where, 'range', b.range) end
local old_text = redis.call('GET', key .. ':v') or string.rep('\0', n)
if #old_text ~= n or #known_text ~= n then return { 'refused' } end

local vector, known = unpack_bytes(old_text, n), unpack_bytes(known_text, n)
local counts, merged, answered, posts, returned = {}, {}, 0, 0, false
for i = 1, n do
  local was, is = vector[i], known[i]
  local code, was_credited = code_of(is), code_of(was) == CREDITED
  if is_pending(was) and (is_owner or not was_credited) then
    local class, written = CLASS[code], posts_of(is)
    if was_credited then
      if is_pending(is) and code ~= CREDITED then
        posts, returned = posts + math.max(0, written - posts_of(was)), true
        vector[i] = byte_of(code, math.max(posts_of(was), written))
      end
    elseif code == CREDITED and delivery == 'at-most-once' then
      code, class, written = IN_DOUBT, 'in_doubt', written + 1
    end
    if class and class ~= 'pending' and code ~= FAILED_ROTATED then
      vector[i] = byte_of(code, math.max(posts_of(was), written))
      merged[i] = code
      counts[class] = (counts[class] or 0) + 1
      answered = answered + 1
      posts = posts + posts_of(vector[i]) - posts_of(was)
    end
  end
end

if not is_known then redis.call('HSET', key, 'recoveredOwners', recovered .. owner .. ' ') end
if answered == 0 and not returned then return { 'ok', {} } end
redis.call('SET', key .. ':v', pack_bytes(vector))
add_totals(campaign, counts)
redis.call('HINCRBY', campaign, 'answers', answered)
if posts > 0 then redis.call('HINCRBY', campaign, 'posts', posts) end
if guard > 0 then
  local stamps, ours, i = stamps_of(base, type), tonumber(b.stampedAt or '-1'), 0
  local stamp_now, wave_pages = pack4(floor(now_ms() / 1000)), wave_pages_of(campaign)
  for page = from, to do
    for _, slot in ipairs(slots_in_batch(campaign, page, from, to, others_before, others_after)) do
      i = i + 1
      if merged[i] then stamp_settled(stamps, page % wave_pages * PAGE + slot, merged[i], ours, stamp_now) end
    end
  end
  stamps:save()
end
topic_slots.renew(base, type, c, counts)
return { 'ok', list_of(counts) }
