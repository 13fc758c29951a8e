-- The channels that have or had the slots of a page, without their URIs.
-- KEYS[1] uri page: hash slot → `<id>\0<uri>\0<meta>`
-- Returns slot, id, slot, id, …
local answers = {}
local fields = redis.call('HGETALL', KEYS[1])
for at = 1, #fields, 2 do
  answers[at] = fields[at]
  answers[at + 1] = string.match(fields[at + 1], '^[^%z]*')
end
return answers
