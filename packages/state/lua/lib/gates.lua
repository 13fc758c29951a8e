-- needs: codes pages
-- Raw gates and holds of channels.
-- `gated`: bitmap over ordinals, set while the raw gate of a channel is closed.
-- `hold:<page>`: 4 bytes for each slot. With the highest bit, the second until which nothing is posted to the channel;
-- without it, the second in which its app last called or registered.

local HOLD = 2147483648

-- The app of the channel called or registered: its raw gate opens. A hold concerns a URI, so one of the same URI stays.
local function open_gate(base, ordinal, second, is_same_uri)
  if redis.call('GETBIT', base .. 'gated', ordinal) == 1 then redis.call('SETBIT', base .. 'gated', ordinal, 0) end
  local key, offset = base .. 'hold:' .. floor(ordinal / PAGE), ordinal % PAGE * 4
  if not is_same_uri or int4(redis.call('GETRANGE', key, offset, offset + 3), 1) <= HOLD + second then
    redis.call('SETRANGE', key, offset, pack4(second))
  end
end

-- An answer of WNS closes the raw gate of a channel (`value` has the highest bit), or holds it until a second. It does
-- not concern a URI that the channel got since, and closes no gate that its app opened since the post.
local function note_answer(base, ordinal, value, posted_second, posted_uri)
  local page, slot = floor(ordinal / PAGE), ordinal % PAGE
  local stored = redis.call('HGET', base .. 'uri:' .. page, slot)
  local from = stored and string.find(stored, '\0', 1, true)
  if not from or string.match(stored, '^[^%z]*', from + 1) ~= posted_uri then return end
  local key, offset = base .. 'hold:' .. page, slot * 4
  local before = int4(redis.call('GETRANGE', key, offset, offset + 3), 1)
  local until_second = value % HOLD
  if value >= HOLD and posted_second > before % HOLD then redis.call('SETBIT', base .. 'gated', ordinal, 1) end
  if until_second > 0 and HOLD + until_second > before then
    redis.call('SETRANGE', key, offset, pack4(HOLD + until_second))
  end
end
