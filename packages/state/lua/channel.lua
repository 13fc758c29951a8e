-- Read or change one channel that is registered.
-- needs: read uri-index gates unregister
-- KEYS[1] `<prefix>{<app>}:`   KEYS[2] the app's key
-- ARGV[1] action   ARGV[2] channel id   ARGV[3] device key suffix
-- 'read'        → {the stored value `<id>\0<uri>\0<meta>`, 1 if it opted out, 1 if its raw gate is closed}; else 0
-- 'unregister'  → 1; URI, tags, locale and variables are removed; id and ordinal stay, so that results can name it
-- 'active'      → 1; the raw gate opens
-- 'opt-out'     → 1, and 'opt-in' → 1; these two also for a channel that was registered once
-- Returns false for a channel that is unknown or no longer registered.
local base, action, id = KEYS[1], ARGV[1], ARGV[2]
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
  }
elseif action == 'unregister' then
  unregister(base, ordinal, redis.call('HGET', base .. 'uri:' .. page, slot))
elseif action == 'active' then
  open_gate(base, ordinal, floor(now_ms() / 1000), true)
elseif action == 'opt-out' then
  redis.call('SETBIT', base .. 'optout', ordinal, 1)
elseif action == 'opt-in' then
  redis.call('SETBIT', base .. 'optout', ordinal, 0)
else
  return redis.error_reply('ERR channel.lua does not know the action ' .. action)
end
return 1
