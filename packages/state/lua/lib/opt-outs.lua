-- Opt-outs of single topics: the set `optouts` names the topics that have any, `optout:<topic>` is a bitmap over
-- ordinals. An opt-out in general is a bit in the bitmap `optout`. All of them outlive the registration.

local opt_outs = {}

-- The bitmap of the opt-outs of a topic, or with '' of those in general.
local function opt_out_key(base, topic)
  return topic == '' and base .. 'optout' or base .. 'optout:' .. topic
end

local function opt_out_topics(base)
  opt_outs.topics = opt_outs.topics or redis.call('SMEMBERS', base .. 'optouts')
  return opt_outs.topics
end

-- Adds the topics of a list (see below) to those that have opt-outs; false when these would be more than `max`.
local function topics_fit(base, list, max)
  local known, fresh = {}, {}
  for _, topic in ipairs(opt_out_topics(base)) do known[topic] = true end
  for topic in string.gmatch(string.find(list, '^[*~]') and '' or list, '[^,+]+') do
    if not known[topic] then fresh[#fresh + 1] = topic end
  end
  if #fresh == 0 then return true end
  if #opt_outs.topics + #fresh > max then return false end
  for _, topic in ipairs(fresh) do
    redis.call('SADD', base .. 'optouts', topic)
    opt_outs.topics[#opt_outs.topics + 1] = topic
  end
  return true
end

local function set_opt_out_topic(base, ordinal, topic, bit)
  local key = opt_out_key(base, topic)
  if redis.call('GETBIT', key, ordinal) == bit then return false end
  redis.call('SETBIT', key, ordinal, bit)
  return true
end

-- The channel opts out of a list of topics, joined by ',', and of no other. The list '+topic' adds one, '~topic'
-- removes one, and '*' changes nothing. Returns true when that changed something.
local function set_opt_out_topics(base, ordinal, list)
  local sign, one = string.match(list, '^([+~*])(.*)$')
  if sign == '*' then return false end
  if sign then return set_opt_out_topic(base, ordinal, one, sign == '+' and 1 or 0) end
  local wanted, is_changed = ',' .. list .. ',', false
  for _, topic in ipairs(opt_out_topics(base)) do
    local bit = string.find(wanted, ',' .. topic .. ',', 1, true) and 1 or 0
    is_changed = set_opt_out_topic(base, ordinal, topic, bit) or is_changed
  end
  return is_changed
end

-- The topics that the channel opted out of, joined by ','.
local function topics_opted_out_of(base, ordinal)
  local found = {}
  for _, topic in ipairs(opt_out_topics(base)) do
    if redis.call('GETBIT', opt_out_key(base, topic), ordinal) == 1 then found[#found + 1] = topic end
  end
  table.sort(found)
  return table.concat(found, ',')
end
