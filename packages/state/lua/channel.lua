-- Read or change one channel that is registered.
-- needs: read uri-index gates unregister opt-outs
-- KEYS[1] `<prefix>{<app>}:`   KEYS[2] the app's key
-- ARGV[1] action   ARGV[2] channel id   ARGV[3] device key suffix   ARGV[4] of 'opt-out' and 'opt-in': a topic, or ''
-- ARGV[5] maximum number of topics that have opt-outs
-- 'read'        → {the stored value `<id>\0<uri>\0<meta>`, 1 if it opted out, 1 if its raw gate is closed; else 0,
--                  the topics that it opted out of, joined by ','}
-- 'unregister'  → 1; URI, tags, locale and variables are removed; id and ordinal stay, so that results can name it
-- 'active'      → 1; the raw gate opens
-- 'opt-out'     → 1, and 'opt-in' → 1; these two also for a channel that was registered once; 'too-many-topics' when
--                  the topic would be one too many
-- Returns false for a channel that is unknown or no longer registered.
local base, action, id, topic = KEYS[1], ARGV[1], ARGV[2], ARGV[4]
local ordinal = tonumber(redis.call('HGET', base .. ARGV[3], id))
local is_opting = action == 'opt-out' or action == 'opt-in'
if not ordinal or (not is_opting and redis.call('GETBIT', base .. 'occupied', ordinal) == 0) then
  return false
end
local page, slot = floor(ordinal / PAGE), ordinal % PAGE

if action == 'read' then
  return {
    redis.call('HGET', base .. 'uri:' .. page, slot),
    redis.call('GETBIT', base .. 'optout', ordinal),
    redis.call('GETBIT', base .. 'gated', ordinal),
    topics_opted_out_of(base, ordinal),
  }
elseif action == 'unregister' then
  unregister(base, ordinal, redis.call('HGET', base .. 'uri:' .. page, slot))
elseif action == 'active' then
  open_gate(base, ordinal, floor(now_ms() / 1000), true)
elseif is_opting then
  if action == 'opt-out' and not topics_fit(base, topic, tonumber(ARGV[5])) then return 'too-many-topics' end
  redis.call('SETBIT', opt_out_key(base, topic), ordinal, action == 'opt-out' and 1 or 0)
else
  return redis.error_reply('ERR channel.lua does not know the action ' .. action)
end
return 1
