-- needs: read
-- The slots of a topic: which campaigns a new one waits for. Two campaigns may have slots of one topic at once while
-- their audiences have no channel in common.
-- `slots:<type>:<topic>`: zset, campaign → ms in which its slot is free again.
-- `waiting:<type>:<topic>`: zset, deferred campaign → its start in ms.
-- `c:<id>:reach`: bitmap over ordinals, the recipients of a campaign with a slot or of one that is deferred, as they
-- were when it got it. A campaign without it may reach any channel.

local topic_slots = {
  -- Audiences that are compared at most, about 0.2 ms each with ten million channels. Others count as overlapping.
  MAX_COMPARED = 64,
  -- Longer than a campaign lives, with its interval.
  KEPT_MS = 9 * 86400000,
  OPERATOR = 'AND',
}

function topic_slots.key(base, type, topic) return base .. 'slots:' .. type .. ':' .. topic end
function topic_slots.waiting_key(base, type, topic) return base .. 'waiting:' .. type .. ':' .. topic end
function topic_slots.reach_key(base, id) return base .. 'c:' .. id .. ':reach' end

-- Returns a function that is true for a campaign that may have a recipient in the bitmap `reach`; nil is all channels.
function topic_slots.overlap_with(base, reach)
  local compared = 0
  return function(id)
    local other = topic_slots.reach_key(base, id)
    compared = compared + 1
    if not reach or compared > topic_slots.MAX_COMPARED or redis.call('EXISTS', other) == 0 then return true end
    local both = base .. 'tmp:overlap'
    redis.call('BITOP', topic_slots.OPERATOR, both, reach, other)
    local first = redis.call('BITPOS', both, 1)
    redis.call('UNLINK', both)
    return first >= 0
  end
end

-- When the last overlapping slot is free, and the campaign that has it: `at` and '' where none is taken. The campaign
-- `rest_of` does not count: the rest of its audience is all that it did not send to.
function topic_slots.taken(base, type, topic, at, overlaps, rest_of)
  local held = redis.call('ZREVRANGEBYSCORE', topic_slots.key(base, type, topic), '+inf', '(' .. at, 'WITHSCORES')
  for h = 1, #held, 2 do
    if held[h] ~= rest_of and overlaps(held[h]) then return tonumber(held[h + 1]), held[h] end
  end
  return at, ''
end

-- The deferred campaigns that overlap, in their order: id, start, id, start, …
function topic_slots.deferred_before(base, type, topic, overlaps)
  local waiting = redis.call('ZRANGE', topic_slots.waiting_key(base, type, topic), 0, -1, 'WITHSCORES')
  local before = {}
  for w = 1, #waiting, 2 do
    if overlaps(waiting[w]) then
      before[#before + 1] = waiting[w]
      before[#before + 1] = waiting[w + 1]
    end
  end
  return before
end

-- When a campaign may start behind slots that are free at `free` and deferred campaigns.
function topic_slots.start_behind(free, deferred, interval)
  return #deferred == 0 and free or math.max(free, tonumber(deferred[#deferred]) + interval)
end

function topic_slots.take(base, type, topic, id, at, interval)
  local key = topic_slots.key(base, type, topic)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', at)
  redis.call('ZADD', key, at + interval, id)
  redis.call('PEXPIRE', key, topic_slots.KEPT_MS)
end

-- Remember the recipients of a campaign until `until_ms`, as `reach` has them.
function topic_slots.keep_reach(base, id, reach, until_ms)
  if not reach or redis.call('EXISTS', reach) == 0 then return end
  redis.call('COPY', reach, topic_slots.reach_key(base, id), 'REPLACE')
  redis.call('PEXPIREAT', topic_slots.reach_key(base, id), until_ms)
end

-- A campaign has ended: it waits for no slot any more. One that posted keeps its slot until that is free.
function topic_slots.leave(base, type, topic, id, has_posted)
  redis.call('ZREM', topic_slots.waiting_key(base, type, topic), id)
  local key = topic_slots.key(base, type, topic)
  local free = has_posted and redis.call('ZSCORE', key, id)
  if free then
    redis.call('PEXPIREAT', topic_slots.reach_key(base, id), free)
  else
    redis.call('ZREM', key, id)
    redis.call('UNLINK', topic_slots.reach_key(base, id))
  end
end

-- Restart the interval of a campaign's slot with each update that was or may have been accepted. A campaign that starts
-- when the slot is free then finds no device of this campaign within its own interval.
function topic_slots.renew(base, type, c, counts)
  local interval = tonumber(c.topicIntervalMs or '0')
  if interval <= 0 or not (counts['accepted'] or counts['in_doubt']) then return end
  redis.call('ZADD', topic_slots.key(base, type, c.topic), 'XX', now_ms() + interval, c.id)
end
