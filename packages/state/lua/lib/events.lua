-- What happens to an app, for its feed of events and its webhooks. A script adds an event in the step in which the
-- thing happens, so that no event is lost and none is added twice.

-- The stream keeps about this many events; the feed reports a reader that has missed some.
local MAX_EVENTS = 10000
-- Channels that are reported in one event. Each event would else name the few channels of one checkpoint.
local REMOVED_AT_ONCE = 500

-- Events are not the ledger: if another program has replaced the key, its value is dropped.
local function push_to(key, command, ...)
  local done = redis.pcall(command, key, ...)
  if type(done) == 'table' and done.err then
    redis.call('DEL', key)
    done = redis.call(command, key, ...)
  end
  return done
end

-- The newest entry is never removed, so its id is known.
local function newest_event(key)
  local newest = redis.pcall('XREVRANGE', key, '+', '-', 'COUNT', 1)[1]
  return newest and newest[1] or '0-0'
end

-- Each entry has the id of the one before, by which a reader notices that entries were removed before it read them.
local function append_event(base, type, field, value)
  local key = base .. 'events'
  push_to(key, 'XADD', 'MAXLEN', '~', MAX_EVENTS, '*', 'type', type, field, value, 'before', newest_event(key))
end

-- `data`: a table without empty tables that stand for lists.
local function add_event(base, type, data) append_event(base, type, 'data', cjson.encode(data)) end

-- An event about the campaign with this key; the id from the key, since the field `id` may be damaged.
local function add_campaign_event(base, campaign, type, data)
  data.campaign = string.sub(campaign, #base + 3)
  add_event(base, type, data)
end

-- Move up to REMOVED_AT_ONCE of the channels that wait to be reported into one event. Returns how many.
local function report_removed(base)
  local ids = redis.call('LPOP', base .. 'removed', REMOVED_AT_ONCE)
  if not ids or #ids == 0 then return 0 end
  append_event(base, 'channels.removed', 'channels', table.concat(ids, '\0'))
  return #ids
end

-- Note channels that WNS has ended, by their stored ids. They are reported once there are enough of them, or by the
-- leader some seconds later.
local function note_removed(base, ids)
  if #ids == 0 then return end
  if push_to(base .. 'removed', 'RPUSH', unpack(ids)) >= REMOVED_AT_ONCE then report_removed(base) end
end
