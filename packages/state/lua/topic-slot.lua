-- Which campaign a new one would wait for, and until when. Changes nothing.
-- needs: read slots
-- KEYS[1] `<prefix>{<app>}:`   KEYS[2] the app's key   KEYS[3] bitmap over ordinals: its recipients
-- ARGV: 1 type, 2 topic, 3 guard window in ms, 4 the campaign whose rest it sends to, or ''
-- Returns {ms, campaign}; campaign is '' where it would not wait.
local base, reach, interval = KEYS[1], KEYS[3], tonumber(ARGV[3])
local overlaps = topic_slots.overlap_with(base, reach)
local free, holder = topic_slots.taken(base, ARGV[1], ARGV[2], now_ms(), overlaps, ARGV[4])
local deferred = topic_slots.deferred_before(base, ARGV[1], ARGV[2], overlaps)
return { topic_slots.start_behind(free, deferred, interval), deferred[#deferred - 1] or holder }
