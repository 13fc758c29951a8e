-- The tag names of an app: set `tags`, at most as many as the caller allows, since each costs a bitmap.

local tag_names = {}

-- Names without a channel make room for new ones. Their bitmaps have only zeros, so nothing is lost with them.
local function forget_unused_tags(base)
  local forgotten = 0
  for _, tag in ipairs(redis.call('SMEMBERS', base .. 'tags')) do
    if redis.call('BITCOUNT', base .. 'tag:' .. tag) == 0 then
      redis.call('SREM', base .. 'tags', tag)
      redis.call('UNLINK', base .. 'tag:' .. tag)
      forgotten = forgotten + 1
    end
  end
  return forgotten
end

-- Adds the tags, joined by ',', to the names of the app; false when these would be more than `max`.
-- The names that this call has seen are kept, so that a chunk with the same tags asks once.
local tags_fit
function tags_fit(base, list, max)
  tag_names.known = tag_names.known or {}
  tag_names.count = tag_names.count or redis.call('SCARD', base .. 'tags')
  local fresh = {}
  for tag in string.gmatch(list, '[^,]+') do
    if not tag_names.known[tag] then
      if redis.call('SISMEMBER', base .. 'tags', tag) == 1 then
        tag_names.known[tag] = true
      else
        fresh[#fresh + 1] = tag
      end
    end
  end
  if tag_names.count + #fresh > max and not tag_names.is_tidy then
    tag_names.is_tidy = true
    if forget_unused_tags(base) > 0 then
      -- A name that was known may be one of those that are gone.
      tag_names.known, tag_names.count = nil, nil
      return tags_fit(base, list, max)
    end
  end
  if tag_names.count + #fresh > max then
    return false
  end
  for _, tag in ipairs(fresh) do
    redis.call('SADD', base .. 'tags', tag)
    tag_names.known[tag] = true
    tag_names.count = tag_names.count + 1
  end
  return true
end
