-- needs: read uri-index pages
-- The channel with this ordinal and stored value leaves: URI, tags, locale and variables are removed; its id, ordinal
-- and opt-outs stay, so that results can name it.

local function unregister(base, ordinal, value)
  local page, slot = floor(ordinal / PAGE), ordinal % PAGE
  local id, uri, since, tags = string.match(value or '', '^([^%z]*)%z([^%z]*)%z([^;]*);[^;]*;(.*)$')
  forget_uri(base, uri, ordinal)
  for tag in string.gmatch(tags or '', '[^,]+') do
    redis.call('SETBIT', base .. 'tag:' .. tag, ordinal, 0)
  end
  redis.call('HSET', base .. 'uri:' .. page, slot, (id or '') .. '\0\0' .. (since or '0') .. ';;')
  redis.call('HDEL', base .. 'vars:' .. page, slot)
  redis.call('SETBIT', base .. 'occupied', ordinal, 0)
  if redis.call('GETBIT', base .. 'gated', ordinal) == 1 then redis.call('SETBIT', base .. 'gated', ordinal, 0) end
end
