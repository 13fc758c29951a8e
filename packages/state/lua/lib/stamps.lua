-- needs: read codes pages checks
-- The 30-minute guard of each channel: a stamp, the second of its last generic update. lib/slots.lua guards topics.

-- Stamps of pages. Each page is loaded once and written back once; changes lie over the stored text until `save`.
local Stamps = {}
Stamps.__index = Stamps
local function stamps_of(base, type)
  return setmetatable({ base = base .. 'stamp:' .. type .. ':', texts = {}, over = {} }, Stamps)
end
function Stamps:text(page)
  local text = self.texts[page]
  if not text then
    text = redis.call('GET', self.base .. page) or ''
    self.texts[page] = text
  end
  return text
end
function Stamps:get(ordinal)
  local page, slot = floor(ordinal / PAGE), ordinal % PAGE
  local over = self.over[page]
  if over and over[slot] then return int4(over[slot], 1) end
  return int4(self:text(page), slot * 4 + 1)
end
-- The changes of a page: slot → packed stamp.
function Stamps:changes(page)
  local over = self.over[page]
  if not over then
    over = {}
    self.over[page] = over
  end
  return over
end
function Stamps:set(ordinal, packed)
  local page = floor(ordinal / PAGE)
  self:changes(page)[ordinal % PAGE] = packed
end
function Stamps:save()
  for page, over in pairs(self.over) do
    local text, last = self:text(page), -1
    for slot in pairs(over) do if slot > last then last = slot end end
    if last >= 0 then
      if #text < last * 4 then text = text .. string.rep('\0', last * 4 - #text) end
      -- In stretches of equal stamps: most posts of a page end in the same second.
      local parts, count, slot = {}, 0, 0
      while slot <= last do
        local packed, first = over[slot], slot
        repeat slot = slot + 1 until slot > last or over[slot] ~= packed
        count = count + 1
        parts[count] = packed and string.rep(packed, slot - first) or sub(text, first * 4 + 1, slot * 4)
      end
      parts[count + 1] = sub(text, slot * 4 + 1)
      redis.call('SET', self.base .. page, table.concat(parts))
    end
  end
end

-- Make the stamp of a settled recipient follow its outcome. A post that was or may have been accepted counts from now.
-- Any other post does not count: its stamp is cleared, unless another campaign has set it since.
local function stamp_settled(stamps, ordinal, code, ours, stamp_now)
  if CLASS[code] == 'accepted' or CLASS[code] == 'in_doubt' or code == FAILED_NO_ANSWER then
    stamps:set(ordinal, stamp_now)
  elseif stamps:get(ordinal) == ours then
    stamps:set(ordinal, '\0\0\0\0')
  end
end

-- Clear our stamps of recipients that will not be posted to, so that the next campaign may reach them. A recipient with
-- a post keeps its stamp, since WNS may have accepted the post.
local function clear_stamps(base, campaign, key, positions)
  local b, type = fields(key, 'range', 'stampedAt'), redis.call('HGET', campaign, 'type')
  if not b.stampedAt then return end
  local from, to, _, before, after = range_of(b.range)
  local stamps, ours, i = stamps_of(base, type), tonumber(b.stampedAt), 0
  local wave_pages = wave_pages_of(campaign)
  for page = from, to do
    for _, slot in ipairs(slots_in_batch(campaign, page, from, to, before, after)) do
      i = i + 1
      local ordinal = page % wave_pages * PAGE + slot
      if positions[i] and stamps:get(ordinal) == ours then stamps:set(ordinal, '\0\0\0\0') end
    end
  end
  stamps:save()
end
