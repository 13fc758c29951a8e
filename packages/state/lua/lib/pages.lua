-- needs: codes
-- Pages of the frozen audience: a bitmap over ordinals, 512 to a page.

local PAGE = 512

-- A campaign at a local time has its audience in waves: page `w * wavePages + p` of its bitmap has the recipients of
-- wave w that are on page p of the registry. Any other campaign has one wave, which is longer than any audience.
local ONE_WAVE = 2 ^ 31
local function wave_pages_of(campaign)
  return tonumber(redis.call('HGET', campaign, 'wavePages') or ONE_WAVE)
end

-- The slots of a page whose recipients are in the campaign's frozen audience, in order.
local function slots_of(campaign, page)
  local bits = redis.call('GETRANGE', campaign .. ':targets', page * 64, page * 64 + 63)
  local slots, count = {}, 0
  for at = 1, #bits do
    local v = byte(bits, at)
    if v == 255 then
      for slot = at * 8 - 8, at * 8 - 1 do
        count = count + 1
        slots[count] = slot
      end
    elseif v ~= 0 then
      local slot, weight = at * 8 - 8, 128
      while v > 0 do
        if v >= weight then
          v = v - weight
          count = count + 1
          slots[count] = slot
        end
        slot, weight = slot + 1, weight / 2
      end
    end
  end
  return slots
end

-- The slots of a page whose recipients are in a batch. `before` recipients of its first page are in the previous
-- batch, `after` recipients of its last page in the next one.
local function slots_in_batch(campaign, page, from, to, before, after)
  local slots = slots_of(campaign, page)
  local first = page == from and before + 1 or 1
  local last = page == to and #slots - after or #slots
  if first == 1 and last == #slots then return slots end
  local own = {}
  for s = first, last do own[#own + 1] = slots[s] end
  return own
end

-- The ordinals of slots of a page in ascending order, 4 bytes each. All ordinals of a page share their upper 23 bits,
-- so the bytes of the slots are put between them.
local function ordinals_of(page, slots)
  local count, upper, u = #slots, {}, 0
  local below = 0
  for s = 1, count do
    if slots[s] < 256 then
      below = s
    else
      u = u + 1
      upper[u] = slots[s] - 256
    end
  end
  local function joined(bytes, first)
    local prefix = string.gsub(sub(struct.pack('>I4', first), 1, 3), '%%', '%%%%')
    return (string.gsub(bytes, '.', prefix .. '%0'))
  end
  return joined(char(unpack(slots, 1, below)), page * PAGE) .. joined(char(unpack(upper)), page * PAGE + 256)
end

-- The bits of a page in a bitmap over ordinals, or nil if none is set.
local function bits_of_page(key, page)
  local bits = redis.call('GETRANGE', key, page * 64, page * 64 + 63)
  return string.find(bits, '[^%z]') and bits or nil
end
local function has_bit(bits, slot)
  return floor((byte(bits, floor(slot / 8) + 1) or 0) / 2 ^ (7 - slot % 8)) % 2 == 1
end
