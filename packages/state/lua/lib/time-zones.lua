-- The time zone of a channel is stored as the last of its tags, after '@': `news,@Europe/Berlin`. So a zone has a
-- bitmap as a tag has, and no tag of an app can have the name of a zone. The set `zones` names the zones of the app.

local time_zones = { seen = {} }

local function zone_in(tags)
  return string.match(tags, '@([^,]*)') or ''
end

local function tags_without_zone(tags)
  return (string.gsub(tags, ',?@[^,]*', ''))
end

local function tags_with_zone(tags, zone)
  if zone == '' then return tags end
  return (tags == '' and '@' or tags .. ',@') .. zone
end

-- Chunks of an import have few zones, so each is noted once in a call.
local function note_zone(base, zone)
  if zone == '' or time_zones.seen[zone] then return end
  redis.call('SADD', base .. 'zones', zone)
  time_zones.seen[zone] = true
end
