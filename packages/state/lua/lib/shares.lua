-- Divide the permits of an app among its campaigns that want some, in proportion to their weights.
-- The shares are a hash: campaign → `turn,askedAtMs,missing,weight`:
--   turn      permits granted so far, divided by the weight: the campaign with the lowest turn is served next
--   missing   permits that the campaign wanted at its last request and did not get
-- A campaign that wants less than its share gets all that it wants, and the others divide the rest. A campaign that did
-- not ask for a while is forgotten, so a newcomer, or one that returns, starts at the turn of those that wait: it is
-- served at once, and does not catch up on what it did not ask for.

-- A campaign that did not ask for this time wants nothing. At low rates requests are rarer.
local ACTIVE_MS = 300
local ACTIVE_PERMITS = 3
-- Urgent campaigns together leave at least this share of the rate to the others.
local NORMAL_SHARE = 0.1

local function read_shares(key, now, rate)
  local fields = redis.call('HGETALL', key)
  local active_ms = math.max(ACTIVE_MS, ACTIVE_PERMITS * 1000 / rate)
  local shares = {}
  for at = 1, #fields, 2 do
    local turn, asked, missing, weight = string.match(fields[at + 1], '^([%d.]+),([%d.]+),(%d+),([%d.]+)$')
    -- A clock that stepped back makes a request look newer than now.
    if turn and math.abs(now - tonumber(asked)) <= active_ms then
      shares[fields[at]] = { turn = tonumber(turn), missing = tonumber(missing), weight = tonumber(weight) }
    else
      redis.call('HDEL', key, fields[at])
    end
  end
  return shares
end

-- The weight that counts: that of urgent campaigns shrinks when there are many of them beside a normal one.
local function counted_weight(weight, waiting)
  if weight <= 1 or waiting.normal == 0 then return weight end
  return math.min(weight, waiting.normal * (1 - NORMAL_SHARE) / NORMAL_SHARE / waiting.urgent)
end

-- Take up to `wanted` of the `available` permits for a campaign; what is due to others that wait stays.
-- Returns the number granted, and how many campaigns are active.
local function take_share(key, campaign, weight, wanted, available, now, rate)
  local shares = read_shares(key, now, rate)
  local own = shares[campaign]
  local others, active, lowest, highest = {}, 1, nil, nil
  local waiting = { normal = 0, urgent = 0 }
  for id, share in pairs(shares) do
    if id ~= campaign then
      active = active + 1
      highest = math.max(highest or share.turn, share.turn)
      if share.missing > 0 then
        lowest = math.min(lowest or share.turn, share.turn)
        others[#others + 1] = share
        local class = share.weight > 1 and 'urgent' or 'normal'
        waiting[class] = waiting[class] + 1
      end
    end
  end
  local class = weight > 1 and 'urgent' or 'normal'
  waiting[class] = waiting[class] + 1
  local turn = own and own.turn or 0
  if not own or own.missing == 0 then turn = math.max(turn, lowest or highest or 0) end

  local granted, left = 0, available
  local step = math.max(1, math.floor(available / 64))
  local own_weight = counted_weight(weight, waiting)
  for _, other in ipairs(others) do other.counted = counted_weight(other.weight, waiting) end
  while left > 0 and granted < wanted do
    local next_other = nil
    for _, other in ipairs(others) do
      if other.missing > 0 and (not next_other or other.turn < next_other.turn) then next_other = other end
    end
    if next_other and next_other.turn < turn then
      local reserved = math.min(step, left, next_other.missing)
      next_other.missing = next_other.missing - reserved
      next_other.turn = next_other.turn + reserved / next_other.counted
      left = left - reserved
    else
      local taken = math.min(step, left, wanted - granted)
      granted = granted + taken
      turn = turn + taken / own_weight
      left = left - taken
    end
  end
  redis.call('HSET', key, campaign, string.format('%.3f,%.3f,%d,%g', turn, now, wanted - granted, weight))
  redis.call('PEXPIRE', key, 60000)
  return granted, active
end
