-- Note how far the events of a webhook are delivered, and disable it if its receiver asked for that.
-- needs: events
-- KEYS[1] `<prefix>{<app>}:`   KEYS[2] webhooks: hash
-- ARGV: webhook, its field for the progress, the progress (JSON); then, to disable it, its record as it was read, the
--   record to store, and the reason
-- Returns 1 if it was noted, 2 if it was disabled too, 0 if there is no such webhook any more. A record that was
-- changed meanwhile stays enabled.
local record = redis.call('HGET', KEYS[2], ARGV[1])
if not record then return 0 end
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
if record ~= ARGV[4] then return 1 end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[5])
add_event(KEYS[1], 'webhook.disabled', { webhook = ARGV[1], reason = ARGV[6] })
return 2
